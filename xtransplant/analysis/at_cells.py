"""A control at fixed cells, one column for each of its seeds. Shapes: I instances, S seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xtransplant.analysis.interchange import DrawnVerdicts, drawn_answers
from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.judged import verdicts
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.types import Cell


@dataclass(frozen=True, eq=False)
class AtCells:
    """What a control answers at the cells of an experiment; NaN where a seed does not count.

    Attributes:
        runs: its seeds, with the instances in the same order.
        right: whether each answer is right, [I, S].
        same_gold: whether the drawn question has the instance's gold answer, [I, S].
        is_drawn: whether it is known what was drawn.
        interchange: whether the answer is right for the drawn question, [I, S]; None if unknown.
        baseline_interchange: the same of the untouched model's answer.
    """

    runs: Sequence[Outcomes]
    right: Floats
    same_gold: Floats
    is_drawn: bool
    interchange: Floats | None
    baseline_interchange: Floats | None

    @classmethod
    def of(
        cls, runs: Sequence[Outcomes], drawn: Sequence[DrawnVerdicts], cells: Mapping[str, Cell]
    ) -> AtCells:
        """Look up the answers of each seed; `drawn` are the verdicts of `drawn_verdicts`."""
        both = list(zip(runs, drawn, strict=True))
        untouched = dict.fromkeys(cells)
        return cls(
            runs=runs,
            right=np.stack([verdicts(run, cells) for run in runs], axis=1).astype(np.float64),
            same_gold=np.stack([run.drawn_gold == run.gold for run in runs], 1).astype(np.float64),
            is_drawn=all(bool(of) for of in drawn),
            interchange=_known([drawn_answers(run, of, cells) for run, of in both]),
            baseline_interchange=_known([drawn_answers(run, of, untouched) for run, of in both]),
        )

    def only(self, counted: Bools) -> AtCells:
        """Return the instances that count for some seed, [I, S], with NaN for the other seeds."""
        rows = counted.any(1)

        def kept(values: Floats) -> Floats:
            return np.where(counted, values, np.nan)[rows]

        drawn, untouched = self.interchange, self.baseline_interchange
        return replace(
            self,
            right=kept(self.right),
            same_gold=kept(self.same_gold),
            interchange=None if drawn is None else kept(drawn),
            baseline_interchange=None if untouched is None else kept(untouched),
        )


def _known(columns: Sequence[Bools | None]) -> Floats | None:
    known = [column for column in columns if column is not None]
    if len(known) < len(columns):
        return None
    return np.stack(known, axis=1).astype(np.float64)
