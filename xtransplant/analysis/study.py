"""A study: runs that may be compared, and the pairs of experiment and control among them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from xtransplant.analysis.comparable import require_together
from xtransplant.analysis.equivalence import MARGIN
from xtransplant.analysis.finished import LeftOut, finished
from xtransplant.analysis.load import Run, load_runs
from xtransplant.analysis.outcomes import Outcomes, read_outcomes
from xtransplant.errors import OutputError
from xtransplant.store.run_identity import unusual_axes

MANY = 40
"""Runs for which it pays to start processes that read."""


@dataclass(frozen=True, eq=False)
class Study:
    """Runs that may be compared.

    Attributes:
        outcomes: verdicts of each run.
        left_out: runs that are not finished.
        margin: the smallest difference that counts, see `xtransplant.analysis.equivalence`.
        judged: by folder of a run, what `judged_pairs` found; several tables and figures ask.
    """

    outcomes: Sequence[Outcomes]
    left_out: Sequence[LeftOut] = ()
    margin: float = MARGIN
    judged: dict[Path, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def experiments(self) -> list[Outcomes]:
        """The runs with cells that are not controls."""
        return [one for one in self.outcomes if one.identity.is_experiment and one.cells]

    def controls(self, experiment: Outcomes) -> list[Outcomes]:
        """Return the controls of an experiment; of several seeds the first."""
        return [
            one
            for one in self.outcomes
            if one.identity.is_control_of(experiment.identity) and self.replicates(one)[0] is one
        ]

    def replicates(self, control: Outcomes) -> list[Outcomes]:
        """Return the runs of a control, which differ in the seed alone, by seed."""
        wanted = control.identity.group()
        found = [one for one in self.outcomes if one.identity.group() == wanted]
        return sorted(found, key=lambda one: one.identity.seed)

    def labels(self, outcomes: Outcomes) -> dict[str, str]:
        """Return the columns that identify a run in a table; all runs have the same columns."""
        return outcomes.identity.labels(self._unusual_axes)

    @property
    def label_names(self) -> list[str]:
        """Return the names of the columns of `labels`."""
        return list(self.labels(self.outcomes[0]))

    @cached_property
    def _unusual_axes(self) -> list[str]:
        return unusual_axes(one.identity for one in self.outcomes)


def _read(runs: Sequence[Run]) -> list[Outcomes]:
    """Return the verdicts of runs; many are read on several cores."""
    if len(runs) < MANY:
        return [read_outcomes(run) for run in runs]
    # Processes of their own, not copies of this one, which may have threads.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(read_outcomes, runs))


def load_study(paths: Sequence[Path], margin: float = MARGIN) -> Study:
    """Read every finished run below some folders; the others are listed in `left_out`.

    Args:
        paths: folders.
        margin: the smallest difference that counts.

    Raises:
        OutputError: there is no finished run, one cannot be read or lacks cells of its grid, or
            the runs may not be compared; the message names the field.
    """
    runs = {run.folder.path.resolve(): run for path in paths for run in load_runs(path).runs}
    done, left_out = finished(runs.values())
    if not done:
        raise OutputError(f"no finished run below {paths[0]}; {left_out[0]}")
    outcomes = _read(done)
    require_together(outcomes)
    return Study(outcomes, left_out, margin)
