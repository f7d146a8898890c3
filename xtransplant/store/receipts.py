"""A finished run's receipt: what it read and wrote, so that the same command need not look again.

    <run folder>/.receipts/<digest of the settings>.json

A full check of a finished run imports torch, reads the data and digests the checkpoint. A receipt
lists the files and folders that the run depends on (see `runner.inputs`) and the files it consists
of, each with its size and times of change. If none of them has changed, neither has the run. If one
has, the receipt says nothing and the full check is made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from xtransplant.config.schema import RunConfig
from xtransplant.files import write_whole
from xtransplant.types import Cell, LanguageSummary

FOLDER = ".receipts"
NOT_OF_THE_RUN = ("shard", "output_root", "dry_run", "rows_per_batch", "device", "device_map")
"""Keys that change neither the rows of a run nor what it reads."""
PLACES = (
    *("HOME", "XTRANSPLANT_CACHE", "XDG_CACHE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_HUB_OFFLINE"),
)
"""Environment variables that say where data and weights are."""

State = list[int] | None
"""Size in bytes, and times of change of content and of metadata in ns; None if there is no file."""
States = dict[str, State]


@dataclass(frozen=True)
class Receipt:
    """What a finished run says of itself.

    Attributes:
        folder: of the run.
        n_parts: all of its parts.
        n_cells: of its grid.
        remarks: on its data, a line each.
        summary: of each language.
    """

    folder: Path
    n_parts: int
    n_cells: int
    remarks: Sequence[str]
    summary: Sequence[LanguageSummary]


def states(paths: Iterable[Path]) -> States:
    """Return the state of each file or folder; that of a folder changes with its list of files."""
    return {str(path.absolute()): _state(path) for path in paths}


def find_receipt(config: RunConfig) -> Receipt | None:
    """Return the receipt of a run that is finished, None if it is not known to be."""
    runs = Path(config.output_root) / config.task.name / config.model.name / config.module
    for path in sorted(runs.glob(f"*/{FOLDER}/{_digest(config)}.json")):
        try:
            content = json.loads(path.read_text("utf-8"))
            if _unchanged(content["read"]) and _unchanged(content["written"]):
                return Receipt(
                    folder=path.parents[1],
                    n_parts=content["n_parts"],
                    n_cells=content["n_cells"],
                    remarks=content["remarks"],
                    summary=[_summary(each) for each in content["summary"]],
                )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # damaged: as good as none
    return None


def write_receipt(
    config: RunConfig, receipt: Receipt, read: States, written: Iterable[Path]
) -> None:
    """Write a receipt.

    Args:
        config: of the run.
        receipt: what it says.
        read: the states, before the run read them, of what it depends on.
        written: the files that the run consists of.

    Raises:
        OutputError: it cannot be written.
    """
    content = {
        "n_parts": receipt.n_parts,
        "n_cells": receipt.n_cells,
        "remarks": list(receipt.remarks),
        "summary": [asdict(each) for each in receipt.summary],
        "read": read,
        "written": states(written),
    }
    path = receipt.folder / FOLDER / f"{_digest(config)}.json"
    write_whole(path, json.dumps(content, ensure_ascii=False).encode())


def _digest(config: RunConfig) -> str:
    settings = {key: value for key, value in asdict(config).items() if key not in NOT_OF_THE_RUN}
    places = {name: os.environ.get(name) for name in PLACES}
    facts = [settings, places, os.getcwd()]  # paths in the settings may be relative
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _unchanged(then: Mapping[str, State]) -> bool:
    return all(_state(Path(path)) == state for path, state in then.items())


def _state(path: Path) -> State:
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _summary(content: Mapping[str, object]) -> LanguageSummary:
    values = dict(content)
    best = values.pop("best_cell")
    return LanguageSummary(**values, best_cell=Cell(**best))  # type: ignore[arg-type]
