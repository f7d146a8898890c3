"""A selected pair of layers, judged on instances that were not used to select it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xtransplant.analysis.contrasts import Contrast, Scope, scopes
from xtransplant.analysis.intervals import Intervals
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.selection import POOLED, select
from xtransplant.analysis.study import Study
from xtransplant.types import Cell

CHOSEN = {False: "per language", True: "pooled"}


@dataclass(frozen=True, eq=False)
class Judged:
    """The verdicts of one selection strategy in one scope.

    Attributes:
        scope: judged instances, without the dropped ones.
        strategy: one of `STRATEGIES`.
        chosen: "per language" or "pooled".
        protocol: names of the splits, such as "sample to unseen", or "5 folds".
        cells: distinct cells chosen by all folds and languages.
        correct: verdicts on the instances of the scope's outcomes, [I].
        in_sample: accuracy on the instances that selected the cell, which is optimistic.
        n_dropped: number of instances of the scope that are not judged because they overlap with
            the selecting ones.
        refused: reason why the pair is not judged; "" if it is judged.
        accuracy: accuracy of the pair; None if refused.
        gain: accuracy of the pair minus that of the baseline; None if refused.
    """

    scope: Scope
    strategy: str
    chosen: str
    protocol: str
    cells: tuple[Cell, ...]
    correct: Bools
    in_sample: float
    n_dropped: int
    refused: str
    accuracy: Intervals | None
    gain: Contrast | None


def chosen_cells(outcomes: Outcomes, strategy: str, *, pooled: bool) -> dict[str, Cell]:
    """Return the selected cell of each language."""
    found = {one.language: one.cell for one in select(outcomes, strategy, pooled=pooled)}
    return {name: found[POOLED if pooled else name] for name in outcomes.languages}


def verdicts(outcomes: Outcomes, cells: Mapping[str, Cell]) -> Bools:
    """Return the verdict on each instance with the cell of its language, [I].

    Instances of languages without a cell count as wrong, but no judged scope contains them.
    """
    correct = np.zeros(len(outcomes.language), dtype=bool)
    for name, cell in cells.items():
        own = outcomes.language == name
        correct[own] = outcomes.correct[own, outcomes.cells.index(cell)]
    return correct


def accuracies(study: Study, outcomes: Outcomes, correct: Bools) -> dict[str, float]:
    """Return the accuracy in each scope."""
    return {scope.label: float(scope.mean(correct)[0]) for scope in scopes(study, outcomes)}


def distinct_cells(scope: Scope, cells: Mapping[str, tuple[Cell, ...]]) -> tuple[Cell, ...]:
    """Return the distinct cells of the languages of a scope, in their order."""
    languages = dict.fromkeys(scope.outcomes.language[scope.rows].tolist())
    return tuple(dict.fromkeys(cell for language in languages for cell in cells[language]))
