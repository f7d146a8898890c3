"""`xtransplant status`: progress of the runs below a folder, read from their files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from xtransplant.progress import duration
from xtransplant.store.leases import STALE_AFTER, Leases
from xtransplant.store.manifest import MANIFEST, find_runs, manifest_in
from xtransplant.store.part_names import (
    gone_line,
    part_language,
    parts_of_nobody,
    stray_line,
    stray_parts,
    unwritten_parts,
)
from xtransplant.terminal import Console

RECENT = 20
"""Number of newest parts that the rate is computed from."""
SILENT = "its processes ended without a message"
HEADINGS = ("run", "status", "parts", "workers", "heartbeat", "parts/h", "time left", "reason")


@dataclass(frozen=True)
class RunStatus:
    """The progress of a run.

    Attributes:
        run: folder of the run.
        status: status in the manifest; "missing" if its processes have ended without a message or a
            part is gone, "unreadable" if the manifest cannot be read.
        parts_done: number of finished parts, over the languages of all commands.
        parts: number of parts, over the same languages.
        workers: number of parts that processes are working on.
        seconds_since_heartbeat: age of the oldest heartbeat; None without workers.
        parts_per_hour: rate of all processes over the newest parts; None for fewer than two parts.
        seconds_left: time left at this rate; None without workers or a rate.
        reason: cause of a failure or stop.
    """

    run: str
    status: str
    parts_done: int = 0
    parts: int = 0
    workers: int = 0
    seconds_since_heartbeat: float | None = None
    parts_per_hour: float | None = None
    seconds_left: float | None = None
    reason: str | None = None


def status_of(run: Path) -> RunStatus:
    """Return the progress of a run."""
    try:
        manifest = manifest_in(run)
    except (OSError, ValueError) as error:
        return RunStatus(str(run), "unreadable", reason=f"{MANIFEST}: {error}")
    parts = run / "generations"
    unwritten = unwritten_parts(parts, manifest.n_parts)
    n_parts = sum(manifest.n_parts.values())
    times = _times(parts, manifest.n_parts)
    beats = list(Leases(run / ".leases").live().values())
    status, reason = manifest.status, manifest.reason
    if status == "done" and unwritten:
        status, reason = "missing", gone_line(unwritten)
    elif status == "running" and not beats and _age(manifest.updated) > STALE_AFTER:
        status, reason = "missing", SILENT
    if strays := stray_parts(parts, manifest.n_parts):
        reason = stray_line(strays)
    elif others := parts_of_nobody(parts, manifest.n_parts):
        reason = f"{others[0]} is of a language that no command of this run asked for"
    rate = _rate(times)
    return RunStatus(
        run=str(run),
        status=status,
        parts_done=n_parts - len(unwritten),
        parts=n_parts,
        workers=len(beats),
        seconds_since_heartbeat=max(beats, default=None),
        parts_per_hour=None if rate is None else 3600 * rate,
        seconds_left=len(unwritten) / rate if rate and beats else None,
        reason=reason,
    )


def show_status(out: Path, console: Console, *, as_json: bool) -> None:
    """Show the progress of every run below a folder; errors are as for `find_runs`."""
    runs = [status_of(run) for run in find_runs(out)]
    if as_json:
        console.write(json.dumps([asdict(run) for run in runs], indent=2))
        return
    console.table(HEADINGS, _rows(runs, out))
    console.write(_count(runs))


def watch_status(
    out: Path, console: Console, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Show the progress repeatedly, until Ctrl-C; errors are as for `find_runs`."""

    def frames() -> Iterator[list[Sequence[str]]]:
        while True:
            yield _rows([status_of(run) for run in find_runs(out)], out)
            sleep(seconds)

    console.watch(HEADINGS, frames())


def _rows(runs: Sequence[RunStatus], out: Path) -> list[Sequence[str]]:
    return [
        (
            os.path.relpath(run.run, out) if run.run != str(out) else run.run,
            run.status,
            f"{run.parts_done:,}/{run.parts:,}",
            str(run.workers or ""),
            _shown(run.seconds_since_heartbeat, lambda seconds: f"{seconds:.0f} s ago"),
            _shown(run.parts_per_hour, lambda rate: f"{rate:,.0f}"),
            _shown(run.seconds_left, duration),
            run.reason or "",
        )
        for run in runs
    ]


def _shown(value: float | None, word: Callable[[float], str]) -> str:
    return "" if value is None else word(value)


def _count(runs: Sequence[RunStatus]) -> str:
    states = [run.status for run in runs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    parts = f"{sum(run.parts_done for run in runs):,} of {sum(run.parts for run in runs):,} parts"
    return f"{len(runs)} run{'s' * (len(runs) > 1)}: {counts}; {parts}"


def _times(parts: Path, n_parts: Mapping[str, int]) -> list[float]:
    """Return the time at which each part was written."""
    times = []
    for path in parts.glob("[!.]*.parquet"):
        if part_language(path) in n_parts:
            with suppress(OSError):  # moved away just now, or a broken link
                times.append(path.stat().st_mtime)
    return times


def _rate(times: Sequence[float]) -> float | None:
    """Return the rate of the newest parts, in parts per second; None if there are too few."""
    newest = sorted(times)[-RECENT:]
    if len(newest) < 2 or newest[-1] == newest[0]:
        return None
    return (len(newest) - 1) / (newest[-1] - newest[0])


def _age(moment: str) -> float:
    return time.time() - datetime.fromisoformat(moment).timestamp()
