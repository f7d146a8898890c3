"""The finished runs, which a report may compare, and the reasons why others are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xtransplant.analysis.load import Run
from xtransplant.store.part_names import gone_line, unwritten_parts


@dataclass(frozen=True)
class LeftOut:
    """A run that tables and figures leave out.

    Attributes:
        run: run that is left out.
        reason: cause and remedy, in one line.
    """

    run: Run
    reason: str

    def __str__(self) -> str:
        """Return the run's folder and the reason."""
        return f"{self.run.folder.path}: {self.reason}"


def finished(runs: Iterable[Run]) -> tuple[list[Run], list[LeftOut]]:
    """Return the runs whose parts all exist, and the others.

    A run is left out even if some of its languages are complete, because its averages would be over
    other languages than those of other runs.

    Raises:
        OutputError: a manifest cannot be read.
    """
    done: list[Run] = []
    left_out: list[LeftOut] = []
    for run in runs:
        if reason := _why_unfinished(run):
            left_out.append(LeftOut(run, reason))
        else:
            done.append(run)
    return done, left_out


def _why_unfinished(run: Run) -> str | None:
    manifest = run.folder.read_manifest()
    n_parts = sum(manifest.n_parts.values())
    unwritten = unwritten_parts(run.folder.path / "generations", manifest.n_parts)
    if n_parts and not unwritten:
        return None
    if unwritten and manifest.status == "done":
        return gone_line(unwritten)
    cause = f" ({manifest.reason})" if manifest.reason else ""
    return (
        f"not finished, {n_parts - len(unwritten)} of {n_parts} parts exist, status "
        f"{manifest.status}"
        f"{cause}; run the same command again to finish"
    )
