"""Pairs that were selected on one run, judged on the instances of another run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xtransplant.analysis.contrasts import Scope, difference, scopes
from xtransplant.analysis.judged import (
    CHOSEN,
    Judged,
    accuracies,
    chosen_cells,
    distinct_cells,
    verdicts,
)
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.overlap import refusal, unmet
from xtransplant.analysis.selection import STRATEGIES, column, eligible
from xtransplant.analysis.study import Study
from xtransplant.store.run_identity import Pairing


def judged_by_run(study: Study, judging: Outcomes) -> Iterator[Judged]:
    """Yield the verdicts of a run on the pairs selected by every suitable other run.

    Suitable are grids paired with the run (`Pairing.SELECTION`) that have all of its languages, but
    not the same instances.
    """
    for selecting in study.experiments:
        if _selects_for(selecting, judging):
            asked = selecting.rows_at(np.isin(selecting.language, judging.languages))
            for strategy in STRATEGIES:
                for pooled in (False, True):
                    yield from _judged(study, asked, judging, strategy, pooled=pooled)


def _selects_for(selecting: Outcomes, judging: Outcomes) -> bool:
    left, right = selecting.identity, judging.identity
    same_instances = left.split == right.split and set(judging.names) <= set(selecting.names)
    return (
        left.group(Pairing.SELECTION) == right.group(Pairing.SELECTION)
        and selecting.is_grid
        and not same_instances
        and set(judging.languages) <= set(selecting.languages)
    )


def _judged(
    study: Study, asked: Outcomes, judging: Outcomes, strategy: str, *, pooled: bool
) -> Iterator[Judged]:
    if not eligible(asked, strategy):
        return
    cells = chosen_cells(asked, strategy, pooled=pooled)
    if any(column(judging, cell) is None for cell in cells.values()):
        return
    free = unmet(asked, judging, pooled=pooled)
    left = judging if free.all() else judging.rows_at(free)
    correct = verdicts(left, cells)
    in_sample = accuracies(study, asked, verdicts(asked, cells))
    for whole in scopes(study, judging):
        scope = Scope(study, left, whole.label, whole.rows[free])
        refused = refusal(whole, free)
        yield Judged(
            scope=scope,
            strategy=strategy,
            chosen=CHOSEN[pooled],
            protocol=f"{asked.identity.split} to {judging.identity.split}",
            cells=distinct_cells(whole, {name: (cell,) for name, cell in cells.items()}),
            correct=correct,
            in_sample=in_sample[whole.label],
            n_dropped=whole.n - scope.n,
            refused=refused,
            accuracy=None if refused else scope.interval(correct),
            gain=None if refused else difference(scope, correct, left.baseline),
        )
