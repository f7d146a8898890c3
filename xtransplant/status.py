"""What runs stand at, read from their files: no scheduler is asked, nothing is written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from xtransplant.analysis.load import load_runs
from xtransplant.manifest import Status
from xtransplant.progress import duration
from xtransplant.store import RunFolder

RECENT_PARTS = 20
"""How many of the newest parts tell the rate."""
HEADINGS = ("run", "status", "parts", "parts/h", "time left", "heartbeat", "reason")


@dataclass(frozen=True)
class RunStatus:
    """What one run stands at.

    Attributes:
        run: its folder.
        status: "done" if every part exists, "running" while somebody works on one, "failed" if the
            last process said so, else "missing".
        parts_done: parts that exist; whether they are whole is looked at when they are read.
        parts: how many make it complete.
        parts_per_hour: by the middle gap between the newest parts, of all processes together; None
            with fewer than two.
        seconds_left: at that rate; None unless it is running.
        heartbeat_age: seconds since the last sign of life of who works on it; None if nobody does.
        reason: why it failed or was stopped.
    """

    run: str
    status: Status
    parts_done: int
    parts: int
    parts_per_hour: float | None
    seconds_left: float | None
    heartbeat_age: float | None
    reason: str | None

    def row(self) -> tuple[str, ...]:
        """Return the cells of a table under `HEADINGS`."""
        rate, left, beat = self.parts_per_hour, self.seconds_left, self.heartbeat_age
        return (
            self.run,
            self.status,
            f"{self.parts_done}/{self.parts}",
            "" if rate is None else f"{rate:.3g}",
            "" if left is None else duration(left),
            "" if beat is None else f"{beat:.0f} s ago",
            self.reason or "",
        )


def read_statuses(path: Path) -> list[RunStatus]:
    """Return what every run below a folder stands at, by path.

    Raises:
        OutputError: no such folder, no run below it, or a manifest that cannot be read.
    """
    return [_status(run.folder, path) for run in load_runs(path).runs]


def _status(folder: RunFolder, root: Path) -> RunStatus:
    manifest = folder.read_manifest()
    written = [
        path.stat().st_mtime
        for language, n_parts in manifest.n_parts.items()
        for block in range(n_parts)
        if (path := folder.part_path(language, block)).exists()
    ]
    parts, beats = sum(manifest.n_parts.values()), folder.leases.live()
    missing, gap = parts - len(written), _middle_gap(written)
    status: Status = "missing"
    if not missing:
        status = "done"
    elif beats:
        status = "running"
    elif manifest.status == "failed":
        status = "failed"
    return RunStatus(
        run=str(folder.path.relative_to(root) if folder.path != root else root),
        status=status,
        parts_done=len(written),
        parts=parts,
        parts_per_hour=3600 / gap if gap else None,
        seconds_left=missing * gap if gap and status == "running" else None,
        heartbeat_age=min(beats.values(), default=None),
        reason=manifest.reason if status in ("failed", "missing") else None,
    )


def _middle_gap(written: Sequence[float]) -> float | None:
    """Return the middle gap between the newest of some times; pauses of a run do not count so."""
    newest = sorted(written)[-RECENT_PARTS:]
    return median([later - earlier for earlier, later in pairwise(newest)] or [0.0]) or None


def watched(path: Path, seconds: float) -> Iterator[list[RunStatus]]:
    """Yield what runs stand at, again and again, until nobody works on any of them."""
    while True:
        statuses = read_statuses(path)
        yield statuses
        if all(one.status != "running" for one in statuses):
            return
        time.sleep(seconds)
