"""The receipt of a finished run: the state of all files that it read and wrote.

    <run folder>/.receipts/<digest of the settings>.json

Without a receipt, finding out that a run is finished takes an import of torch, a reading of the
data and a digest of the checkpoint. A receipt lists the files and folders that the run depends on
(see `runner.inputs`) and the files that it wrote, each with size and times of change. If none has
changed, the run is finished. If one has, the receipt is ignored and the full check is made.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xtransplant.config.run_key import run_folder
from xtransplant.config.schema import RunConfig
from xtransplant.files import clear_leftovers, read_regular, write_whole
from xtransplant.jsonl import parse_json
from xtransplant.types import Cell, LanguageSummary

FOLDER = ".receipts"
NOT_OF_THE_RUN = ("shard", "output_root", "dry_run", "rows_per_batch", "device", "device_map")
"""Settings that change neither the rows of a run nor what it reads."""
PLACES = (
    *("HOME", "XTRANSPLANT_CACHE", "XDG_CACHE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_HUB_OFFLINE"),
)
"""Environment variables that determine where data and weights are."""

State = list[int] | None
"""Size in bytes, mtime and ctime in ns; None if there is no file."""
States = dict[str, State]


@dataclass(frozen=True)
class Receipt:
    """Facts about a finished run.

    Attributes:
        folder: folder of the run.
        n_parts: number of parts.
        n_cells: number of cells of the grid.
        remarks: remarks on the data, one line each.
        summary: one summary for each language.
    """

    folder: Path
    n_parts: int
    n_cells: int
    remarks: Sequence[str]
    summary: Sequence[LanguageSummary]


def states(paths: Iterable[Path]) -> States:
    """Return the state of each file or folder; a folder's state changes when files come or go."""
    return {str(path.absolute()): _state(path) for path in paths}


def find_receipt(config: RunConfig) -> Receipt | None:
    """Return a receipt that shows that the run is finished; None if there is none."""
    runs = run_folder(config, "*").parent
    for path in sorted(runs.glob(f"*/{FOLDER}/{_digest(config)}.json")):
        try:
            content = _unsealed(parse_json(read_regular(path)))
            if _unchanged(content["read"]) and _unchanged(content["written"]):
                return Receipt(
                    folder=path.parents[1],
                    n_parts=content["n_parts"],
                    n_cells=content["n_cells"],
                    remarks=content["remarks"],
                    summary=[_summary(each) for each in content["summary"]],
                )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue  # a damaged receipt is ignored
    return None


def write_receipt(
    config: RunConfig, receipt: Receipt, read: States, written: Iterable[Path]
) -> None:
    """Write a receipt; no other process may write it at the same time.

    Args:
        config: configuration of the run.
        receipt: facts about the run.
        read: states of the run's inputs, recorded before the run read them.
        written: files of the finished run.

    Raises:
        OutputError: the receipt cannot be written.
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
    clear_leftovers(path)
    sealed = {"sha256": _seal(content), "content": content}
    write_whole(path, json.dumps(sealed, ensure_ascii=False).encode())


def _unsealed(sealed: Any) -> Any:
    """Return the content of a receipt.

    Raises:
        ValueError: something in it was changed.
        LookupError, TypeError: it is no receipt, or one of an earlier version.
    """
    if sealed["sha256"] != _seal(sealed["content"]):
        raise ValueError("the content is not what was written")
    return sealed["content"]


def _seal(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
    cell = Cell(**best) if best else None  # type: ignore[arg-type]
    return LanguageSummary(**values, best_cell=cell)  # type: ignore[arg-type]
