"""Pairs that were selected on other folds of the same run; each resample selects again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from xtransplant.analysis.contrasts import MACRO, Contrast, Scope, difference, scopes
from xtransplant.analysis.intervals import Floats, resample_weights
from xtransplant.analysis.judged import (
    CHOSEN,
    Judged,
    accuracies,
    chosen_cells,
    distinct_cells,
    verdicts,
)
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.refitted_folds import (
    REFITTED,
    OfLanguage,
    Refitted,
    refitted,
    two_sided,
    widened,
)
from xtransplant.analysis.selection import (
    N_FOLDS,
    STRATEGIES,
    by_language,
    eligible,
    folds,
    held_out,
    order_of,
)
from xtransplant.analysis.study import Study
from xtransplant.types import Cell

N_REFITS = 1000
"""Number of resamples; a standard deviation needs fewer than a quantile."""


def judged_by_folds(
    study: Study,
    outcomes: Outcomes,
    choices: Sequence[tuple[str, bool]] = tuple(product(STRATEGIES, (False, True))),
    n_refits: int = N_REFITS,
) -> Iterator[Judged]:
    """Yield the verdicts of strategies on a run; each fold judges what the others selected.

    Nothing is yielded for a run with a single cell, or with a single cluster in a language.

    Args:
        study: study of the run.
        outcomes: outcomes of the run.
        choices: pairs of a strategy and whether one cell is selected for all languages.
        n_refits: number of resamples.
    """
    clusters = [len(np.unique(rows.cluster)) for _, rows in by_language(outcomes)]
    if not outcomes.is_grid or min(clusters) < 2:
        return
    possible = [choice for choice in choices if eligible(outcomes, choice[0])]
    for pooled in sorted({pooled for _, pooled in possible}):
        strategies = [strategy for strategy, its in possible if its == pooled]
        resampled = _refitted(outcomes, strategies, n_refits, pooled=pooled)
        for strategy in strategies:
            yield from _judged(study, outcomes, strategy, resampled[strategy], pooled=pooled)


def _judged(
    study: Study, outcomes: Outcomes, strategy: str, resampled: Refitted, *, pooled: bool
) -> Iterator[Judged]:
    correct, cells = _held_out(outcomes, strategy, pooled=pooled)
    chosen = chosen_cells(outcomes, strategy, pooled=pooled)
    in_sample = accuracies(study, outcomes, verdicts(outcomes, chosen))
    for scope in scopes(study, outcomes):
        accuracy, gain = _resampled(scope, resampled)
        yield Judged(
            scope=scope,
            strategy=strategy,
            chosen=CHOSEN[pooled],
            protocol=f"{N_FOLDS} folds",
            cells=distinct_cells(scope, cells),
            correct=correct,
            in_sample=in_sample[scope.label],
            n_dropped=0,
            refused="",
            accuracy=widened(scope.interval(correct), accuracy),
            gain=_gain(scope, correct, gain),
        )


def _gain(scope: Scope, correct: Bools, resampled: Floats) -> Contrast:
    """Return the gain with the wider interval and the larger p-value of two methods.

    One takes the selected cells as given, the other selects again in each resample. If clusters are
    few or do not differ, the resamples do not vary, and only the first method is informative.
    """
    found, _, p = difference(scope, correct, scope.outcomes.baseline)
    refitted_p = two_sided(resampled, float(found.estimate[0]), found.n_clusters)
    return widened(found, resampled), REFITTED, np.maximum(p, refitted_p)


def _resampled(scope: Scope, resampled: Refitted) -> tuple[Floats, Floats]:
    """Return the accuracy and the gain of a scope in each resample, [B]."""
    if scope.label in scope.outcomes.languages:
        place = scope.outcomes.languages.index(scope.label)
        return resampled.accuracy[:, place], resampled.gain[:, place]
    if scope.label == MACRO:
        return resampled.accuracy.mean(1), resampled.gain.mean(1)
    return resampled.micro_accuracy, resampled.micro_gain


def _refitted(
    outcomes: Outcomes, strategies: Sequence[str], n_refits: int, *, pooled: bool
) -> Mapping[str, Refitted]:
    names, cluster = np.unique(outcomes.cluster, return_inverse=True)
    of_run = folds(names, N_FOLDS)
    languages = []
    for language, rows in by_language(outcomes):
        codes = cluster[outcomes.language == language].astype(np.int64)
        fold = of_run.copy()
        if not pooled:
            fold[codes] = folds(rows.cluster, N_FOLDS)
        languages.append(OfLanguage.of(rows.correct, rows.baseline, codes, fold))
    orders = {strategy: order_of(outcomes, strategy) for strategy in strategies}
    return refitted(languages, orders, resample_weights(len(names), n_refits), pooled=pooled)


def _held_out(
    outcomes: Outcomes, strategy: str, *, pooled: bool
) -> tuple[Bools, dict[str, tuple[Cell, ...]]]:
    """Return the verdicts of `held_out`, [I], and the cells that the folds chose, by language."""
    if pooled:
        found = held_out(outcomes, strategy)
        return found.correct, dict.fromkeys(outcomes.languages, found.cells)
    correct, cells = np.zeros(len(outcomes.instance), dtype=bool), {}
    for language, rows in by_language(outcomes):
        found = held_out(rows, strategy)
        correct[outcomes.language == language] = found.correct
        cells[language] = found.cells
    return correct, cells
