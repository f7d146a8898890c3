"""What a run's cells answer, in the ways that the paper's claims are about.

Selected pairs are those that another split selected. Pairs that folds selected are left out: their
verdicts depend on each other, so contrasts of contrasts would reject too often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xtransplant.analysis.contrasts import MACRO
from xtransplant.analysis.fixed_cells import coarse_cell
from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.outcomes import Bools, Ints, Outcomes
from xtransplant.analysis.protocols import judged_pairs
from xtransplant.analysis.selection import column
from xtransplant.analysis.study import Study

COARSE, SELECTED, BOUND = "coarse cell", "selected pair", "upper bound"


@dataclass(frozen=True, eq=False)
class Measured:
    """The verdicts of one measure.

    Attributes:
        measure: `COARSE`, `SELECTED` or `BOUND`.
        outcomes: the run with the instances that are judged.
        right: verdicts, [I].
    """

    measure: str
    outcomes: Outcomes
    right: Bools

    @property
    def gain(self) -> Floats:
        """Return the verdicts less those of the baseline, [I]."""
        return self.right.astype(np.float64) - self.outcomes.baseline

    def rows_at(self, rows: Bools | Ints) -> Measured:
        """Return some of the instances."""
        return Measured(self.measure, self.outcomes.rows_at(rows), self.right[rows])


def measured(study: Study, one: Outcomes) -> Iterator[Measured]:
    """Yield the measures of a run, as far as it has them."""
    cell = coarse_cell(one)
    number = column(one, cell) if cell else None
    if number is not None:
        yield Measured(COARSE, one, one.correct[:, number])
    yield from _selected(study, one)
    if one.is_grid:
        yield Measured(BOUND, one, one.upper_bound)


def _selected(study: Study, one: Outcomes) -> Iterator[Measured]:
    """Yield the best pair of each language, of the first run that selects for this one."""
    label = MACRO if len(one.languages) > 1 else one.languages[0]
    for pair in judged_pairs(study, one):
        ours = pair.strategy == "overall" and pair.chosen == "per language"
        by_run = "folds" not in pair.protocol
        if ours and by_run and pair.scope.label == label and not pair.refused:
            yield Measured(SELECTED, pair.scope.outcomes, pair.correct)
            return
