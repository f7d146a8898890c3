"""The content of a run's manifest, and the search for folders that have one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args

from xtransplant.errors import OutputError
from xtransplant.files import read_regular
from xtransplant.jsonl import parse_json

MANIFEST = "manifest.json"
"""Name of the manifest; a folder that contains one is a run."""

PACKAGES = (
    "xtransplant",
    "accelerate",
    "datasets",
    "gguf",
    "numpy",
    "pandas",
    "pyarrow",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)
"""Packages that can change a result or a file."""

NOT_SUMMED = ("n_layers", "layer_parameters", "unembedding_parameters", "peak_bytes")
"""Costs that do not grow with the number of parts: they describe the model or the machine."""

Status = Literal["running", "done", "failed", "missing"]
"""`missing`: some parts are unwritten and no process is running."""


def find_runs(out: Path) -> list[Path]:
    """Return the folders of all runs in a folder and its subfolders.

    Raises:
        OutputError: there are no runs.
    """
    runs = []
    for folder, below, files in os.walk(out):
        if MANIFEST in files:
            runs.append(Path(folder))
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith("."))
    if not runs:
        raise OutputError(f"no run below {str(out)!r}: no {MANIFEST}; give a folder of results")
    return sorted(runs)


def manifest_in(run: Path) -> Manifest:
    """Read the manifest in a run's folder; the one place that does.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no manifest.
    """
    return Manifest.from_json(read_regular(run / MANIFEST).decode())


def now() -> str:
    """Return the current time: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str | None]:
    """Return the installed version of each of `PACKAGES`."""
    return {name: _version(name) for name in PACKAGES}


def git_commit() -> str | None:
    """Return the git commit of this package's checkout, None outside a checkout."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    # --exclude=* ignores tags. "-dirty" is added if tracked files were changed.
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run([*command, "--exclude=*"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or a checkout of another user
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _is_object_of(types: type | tuple[type, ...]) -> Callable[[Any], bool]:
    """Return a check that a value is an object whose values are of the given types."""
    of = types if isinstance(types, tuple) else (types,)
    return lambda value: isinstance(value, dict) and all(type(v) in of for v in value.values())


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_counts(value: Any) -> bool:
    return _is_object_of(int)(value) and all(n >= 0 for n in value.values())


Form = tuple[str, Callable[[Any], bool]]
_OBJECT: Form = ("an object", lambda value: isinstance(value, dict))
_TEXT: Form = ("a text", lambda value: isinstance(value, str))
_TEXT_OR_NULL: Form = ("a text or null", lambda value: value is None or isinstance(value, str))
_TIME: Form = ("a time in ISO 8601", _is_time)

FORMS: Mapping[str, Form] = {
    "key": _TEXT,
    "config": _OBJECT,
    "n_parts": ("an object of counts", _is_counts),
    "columns": ("a list of names", _is_names),
    "primary_family": ("a whole number or null", lambda value: type(value) in (int, NoneType)),
    "status": ("running, done, failed or missing", lambda value: value in get_args(Status)),
    "reason": _TEXT_OR_NULL,
    "data": _OBJECT,
    "device": _TEXT_OR_NULL,
    "rows_per_batch": ("a whole number or null", lambda value: type(value) in (int, NoneType)),
    "timings": ("an object of numbers", _is_object_of((int, float))),
    "cost": ("an object of numbers or null", _is_object_of((int, float, NoneType))),
    "versions": ("an object of texts or null", _is_object_of((str, NoneType))),
    "git_commit": _TEXT_OR_NULL,
    "created": _TIME,
    "updated": _TIME,
}
"""The allowed values of each field of a manifest: in words, and as a check."""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: facts about a run, written by all of its processes.

    Attributes:
        key: run key.
        config: resolved configuration of the last command.
        n_parts: number of parts of each language, over all commands so far.
        columns: column names of every part in `generations`; empty if not recorded.
        primary_family: version of the primary family (`xtransplant.config.primary_family`) that was
            declared when the folder was made, null if none was.
        status: "done" once every part exists, "running" while a process works on one, otherwise
            "failed" or "missing".
        reason: cause of a failure or stop, in one line.
        data: origin and licence of the data, ids of prompts that lost markers.
        device: hardware of the last process.
        rows_per_batch: maximum number of rows (cells, baselines, beginnings of options) that went
            through the model at once in the last process.
        timings: seconds by name, summed over all processes.
        cost: cost of all computed parts, see `xtransplant.engine.run_cost.part_cost`.
        versions: installed versions of `PACKAGES`; null for packages that are not installed.
        git_commit: commit of the package's checkout, with "-dirty" if tracked files were changed;
            null outside a checkout.
        created: time of creation, UTC, ISO 8601.
        updated: time of the last change, UTC, ISO 8601.
        unknown: fields that another version of the package wrote, kept unchanged.
    """

    key: str
    config: dict[str, Any]
    n_parts: Mapping[str, int] = field(default_factory=dict)
    columns: Sequence[str] = field(default_factory=list)
    primary_family: int | None = None
    status: Status = "running"
    reason: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    rows_per_batch: int | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float | None] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=package_versions)
    git_commit: str | None = field(default_factory=git_commit)
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)
    unknown: Mapping[str, Any] = field(default_factory=dict)

    def with_work(self, timings: Mapping[str, float], cost: Mapping[str, float | None]) -> Manifest:
        """Return the manifest with seconds and cost added."""
        total = {name: self.timings.get(name, 0.0) + more for name, more in timings.items()}
        return replace(
            self,
            timings={**self.timings, **total},
            cost=_total_cost(self.cost, cost),
            updated=now(),
        )

    def to_json(self) -> str:
        """Return the content of `manifest.json`."""
        content = asdict(self)
        unknown = content.pop("unknown")
        return json.dumps(content | unknown, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text is not JSON, not a manifest, or a field has another type.
        """
        content = parse_json(text.encode())
        names = {entry.name for entry in fields(cls)} - {"unknown"}
        if not isinstance(content, dict) or not {"key", "config"} <= content.keys():
            raise ValueError("expected an object with the keys config and key")
        known = {name: value for name, value in content.items() if name in names}
        for name, value in known.items():
            allowed, fits = FORMS[name]
            if not fits(value):
                raise ValueError(f"expected {allowed} as {name}, not {_shown(value)}")
        unknown = {name: value for name, value in content.items() if name not in names}
        return cls(**known, unknown=unknown)


def _total_cost(
    so_far: Mapping[str, float | None], more: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Add costs; of those in `NOT_SUMMED`, take the maximum."""

    def combined(name: str) -> float | None:
        values = [value for cost in (so_far, more) if (value := cost.get(name)) is not None]
        how = max if name in NOT_SUMMED else sum
        return how(values) if values else None

    return {name: combined(name) for name in {**so_far, **more}}
