"""Runs that may be compared, with the pairs among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xtransplant.analysis.comparable import require_together
from xtransplant.analysis.finished import LeftOut, finished
from xtransplant.analysis.load import load_runs
from xtransplant.analysis.outcomes import Outcomes, read_outcomes
from xtransplant.errors import OutputError
from xtransplant.store.run_identity import unusual_axes


@dataclass(frozen=True, eq=False)
class Study:
    """Runs that may be compared.

    Attributes:
        outcomes: verdicts of each run.
        left_out: runs that were found and have not ended.
    """

    outcomes: Sequence[Outcomes]
    left_out: Sequence[LeftOut] = ()

    @cached_property
    def experiments(self) -> list[Outcomes]:
        """The runs with cells that are not controls."""
        return [one for one in self.outcomes if one.identity.is_experiment and one.cells]

    def controls(self, experiment: Outcomes) -> list[Outcomes]:
        """Return the controls of an experiment, see `Pairing.CONTROL`."""
        return [one for one in self.outcomes if one.identity.is_control_of(experiment.identity)]

    def labels(self, outcomes: Outcomes) -> dict[str, str]:
        """Return the columns that name a run in a table, the same ones for every run."""
        return outcomes.identity.labels(self._unusual_axes)

    @property
    def label_names(self) -> list[str]:
        """Return the names of the columns of `labels`."""
        return list(self.labels(self.outcomes[0]))

    @cached_property
    def _unusual_axes(self) -> list[str]:
        return unusual_axes(one.identity for one in self.outcomes)


def load_study(paths: Sequence[Path]) -> Study:
    """Read every finished run below some folders; the others are listed in `left_out`.

    Raises:
        OutputError: there is no finished run, one cannot be read or lacks cells of its grid, or
            the runs may not be compared; the message names the field.
    """
    runs = {run.folder.path.resolve(): run for path in paths for run in load_runs(path).runs}
    done, left_out = finished(runs.values())
    if not done:
        raise OutputError(f"no finished run below {paths[0]}; {left_out[0]}")
    outcomes = [read_outcomes(run) for run in done]
    require_together(outcomes)
    return Study(outcomes, left_out)
