"""Selected pairs judged on instances that did not select them: another split, or other folds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from xtransplant.analysis.contrasts import Scope, scopes
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.selection import (
    N_FOLDS,
    POOLED,
    STRATEGIES,
    by_language,
    column,
    eligible,
    held_out,
    select,
)
from xtransplant.analysis.study import Study
from xtransplant.store.run_identity import Pairing
from xtransplant.types import Cell

CHOSEN = {False: "per language", True: "pooled"}


@dataclass(frozen=True, eq=False)
class Judged:
    """The verdicts of one selection strategy in one scope.

    Attributes:
        scope: judged instances.
        strategy: one of `STRATEGIES`.
        chosen: "per language" or "pooled".
        protocol: names of the splits, such as "sample to unseen", or "5 folds".
        cells: distinct cells chosen by all folds and languages.
        correct: verdicts on the run's instances, [I].
        in_sample: accuracy on the instances that selected the cell; optimistic.
    """

    scope: Scope
    strategy: str
    chosen: str
    protocol: str
    cells: tuple[Cell, ...]
    correct: Bools
    in_sample: float


def judged_pairs(study: Study, outcomes: Outcomes) -> Iterator[Judged]:
    """Yield the verdicts of every strategy on a run: selected on earlier splits, then by folds.

    A run of an earlier split of the task selects if the two runs are paired (`Pairing.SELECTION`)
    and this run has the selected cells. Folds need a grid of several cells and at least two
    clusters in each language.
    """
    for earlier in study.experiments:
        if _selects_for(earlier, outcomes):
            yield from _by_split(study, earlier, outcomes)
    clusters = [len(np.unique(rows.cluster)) for _, rows in by_language(outcomes)]
    if outcomes.is_grid and min(clusters) > 1:
        yield from _by_folds(study, outcomes)


def _selects_for(earlier: Outcomes, later: Outcomes) -> bool:
    left, right = earlier.identity, later.identity
    return (
        left.group(Pairing.SELECTION) == right.group(Pairing.SELECTION)
        and earlier.is_grid
        and left.split in right.earlier_splits
        and set(later.languages) <= set(earlier.languages)
    )


def _by_split(study: Study, earlier: Outcomes, later: Outcomes) -> Iterator[Judged]:
    asked = earlier.rows_at(np.isin(earlier.language, later.languages))
    for strategy in STRATEGIES:
        if not eligible(asked, strategy):
            continue
        for pooled in (False, True):
            cells = _chosen(asked, strategy, pooled=pooled)
            if all(column(later, cell) is not None for cell in cells.values()):
                in_sample = _accuracies(study, asked, _verdicts(asked, cells))
                protocol = f"{earlier.identity.split} to {later.identity.split}"
                correct = _verdicts(later, cells)
                for scope in scopes(study, later):
                    yield Judged(
                        scope=scope,
                        strategy=strategy,
                        chosen=CHOSEN[pooled],
                        protocol=protocol,
                        cells=_shown(scope, {name: (cell,) for name, cell in cells.items()}),
                        correct=correct,
                        in_sample=in_sample[scope.label],
                    )


def _by_folds(study: Study, outcomes: Outcomes) -> Iterator[Judged]:
    for strategy in STRATEGIES:
        if not eligible(outcomes, strategy):
            continue
        for pooled in (False, True):
            correct, cells = _held_out(outcomes, strategy, pooled=pooled)
            chosen = _chosen(outcomes, strategy, pooled=pooled)
            in_sample = _accuracies(study, outcomes, _verdicts(outcomes, chosen))
            for scope in scopes(study, outcomes):
                yield Judged(
                    scope=scope,
                    strategy=strategy,
                    chosen=CHOSEN[pooled],
                    protocol=f"{N_FOLDS} folds",
                    cells=_shown(scope, cells),
                    correct=correct,
                    in_sample=in_sample[scope.label],
                )


def _held_out(
    outcomes: Outcomes, strategy: str, *, pooled: bool
) -> tuple[Bools, dict[str, tuple[Cell, ...]]]:
    """Return the verdicts of `held_out`, [I], and the cells that folds chose, by language."""
    if pooled:
        found = held_out(outcomes, strategy)
        return found.correct, dict.fromkeys(outcomes.languages, found.cells)
    correct, cells = np.zeros(len(outcomes.instance), dtype=bool), {}
    for language, rows in by_language(outcomes):
        found = held_out(rows, strategy)
        correct[outcomes.language == language] = found.correct
        cells[language] = found.cells
    return correct, cells


def _chosen(outcomes: Outcomes, strategy: str, *, pooled: bool) -> dict[str, Cell]:
    """Return the selected cell of each language."""
    found = {one.language: one.cell for one in select(outcomes, strategy, pooled=pooled)}
    return {name: found[POOLED if pooled else name] for name in outcomes.languages}


def _verdicts(outcomes: Outcomes, cells: Mapping[str, Cell]) -> Bools:
    """Return the verdict on each instance with the cell of its language, [I]."""
    columns = np.array([column(outcomes, cells[name]) for name in outcomes.language.tolist()])
    return np.asarray(outcomes.correct[np.arange(len(columns)), columns.astype(np.int64)])


def _accuracies(study: Study, outcomes: Outcomes, correct: Bools) -> dict[str, float]:
    """Return the accuracy in each scope."""
    return {scope.label: float(scope.mean(correct)[0]) for scope in scopes(study, outcomes)}


def _shown(scope: Scope, cells: Mapping[str, tuple[Cell, ...]]) -> tuple[Cell, ...]:
    """Return the distinct cells of the languages of a scope, in their order."""
    languages = dict.fromkeys(scope.outcomes.language[scope.rows].tolist())
    return tuple(dict.fromkeys(cell for language in languages for cell in cells[language]))
