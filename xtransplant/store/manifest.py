"""What a run's manifest says, and where it and runs are; it does not know how it is written."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from xtransplant.errors import OutputError

MANIFEST = "manifest.json"
"""The name of the file; a folder that has it is a run."""

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
"""Those that can change a result or a file."""

Status = Literal["running", "done", "failed", "missing"]
"""`missing`: parts are, and nobody is at work; the same command goes on with them."""


def find_runs(out: Path) -> list[Path]:
    """Return the folders of all runs below a folder, or itself.

    Raises:
        OutputError: there is none.
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


def now() -> str:
    """Return the time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def package_versions() -> dict[str, str | None]:
    """Return the installed version of each of `PACKAGES`."""
    return {name: _version(name) for name in PACKAGES}


def git_commit() -> str | None:
    """Return the commit of the checkout this package is in, None if it is in none."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():
        return None
    # No tags: the commit itself, and "-dirty" where tracked files were changed.
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


@dataclass(frozen=True)
class Manifest:
    """`manifest.json`: what all processes of a run tell of it.

    Attributes:
        key: the run key.
        config: the resolved configuration, of the last command.
        n_parts: by language, how many parts make it complete; of every command so far.
        columns: of every part in `generations`, decided by the first; empty if not recorded.
        status: "done" once every part exists, else "running" while anybody works on one, else
            "failed" or "missing".
        reason: why it failed or was stopped, in one line.
        data: what the last command read, its licence, the ids of prompts that lost markers.
        device: the hardware it ran on.
        rows_per_batch: cells that decoded together.
        timings: seconds by name, of every process so far together.
        cost: of the parts computed so far, see `xtransplant.engine.run_cost.cost_record`.
        versions: of the packages that can change a result; null where one is not installed.
        git_commit: of the checkout the package is in, with "-dirty" where tracked files were
            changed; null outside a checkout.
        created: UTC, ISO 8601.
        updated: UTC, ISO 8601.
        unknown: fields that another version of the package wrote; kept as they are.
    """

    key: str
    config: dict[str, Any]
    n_parts: Mapping[str, int] = field(default_factory=dict)
    columns: Sequence[str] = field(default_factory=list)
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
        """Return it with more seconds, and what more parts cost."""
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
            ValueError: it is no JSON, no manifest, or has a field of another kind.
        """
        content = json.loads(text)
        names = {entry.name for entry in fields(cls)} - {"unknown"}
        if not isinstance(content, dict) or not {"key", "config"} <= content.keys():
            raise ValueError("expected an object with the keys config and key")
        known = {name: value for name, value in content.items() if name in names}
        for name in ("config", "n_parts", "data", "timings", "cost", "versions"):
            if not isinstance(known.get(name, {}), dict):
                raise ValueError(f"expected an object as {name}, not {known[name]!r}")
        if not all(type(number) is int for number in known.get("n_parts", {}).values()):
            raise ValueError(f"expected whole numbers in n_parts, not {known['n_parts']!r}")
        columns = known.get("columns", [])
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            raise ValueError(f"expected a list of names as columns, not {columns!r}")
        if not isinstance(updated := known.get("updated", ""), str):
            raise ValueError(f"expected a time as updated, not {updated!r}")
        if updated:
            datetime.fromisoformat(updated)
        unknown = {name: value for name, value in content.items() if name not in names}
        return cls(**known, unknown=unknown)


def _total_cost(
    so_far: Mapping[str, float | None], more: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Add the costs of parts: sums, but the same number of layers and the highest memory."""

    def combined(name: str) -> float | None:
        values = [value for cost in (so_far, more) if (value := cost.get(name)) is not None]
        how = max if name in ("n_layers", "peak_bytes") else sum
        return how(values) if values else None

    return {name: combined(name) for name in {**so_far, **more}}
