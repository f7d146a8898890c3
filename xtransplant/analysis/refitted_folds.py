"""Held-out accuracy by folds, resampled with the selection made anew in every resample.

The verdicts of folds depend on each other: each fold judges the cell that the other folds selected
(Bates, Hastie and Tibshirani 2023, arXiv 2104.00673). An interval that takes the selected cells as
given is too short, and a paired test of such verdicts rejects too often. So each resample of the
clusters selects again. A cluster keeps the fold it had, so that its copies never select for each
other.

Shapes: I instances, C clusters, V cells, B resamples, G languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.intervals import Floats, Ints, cluster_sums
from xtransplant.analysis.outcomes import Bools


@dataclass(frozen=True, eq=False)
class OfLanguage:
    """The sums of one language over each cluster.

    Attributes:
        right: instances that each cell answers, [C, V].
        baseline: instances that the untouched prompt answers, [C].
        size: instances, [C].
    """

    right: Floats
    baseline: Floats
    size: Floats

    @classmethod
    def of(cls, correct: Bools, baseline: Bools, cluster: Ints, n_clusters: int) -> OfLanguage:
        """Sum the verdicts of instances, [I, V] and [I], over their clusters, numbered 0..C-1."""
        columns = np.column_stack([correct, baseline, np.ones(len(baseline))])
        sums = cluster_sums(columns.astype(np.float64), cluster, n_clusters)
        return cls(sums[:, :-2], sums[:, -2], sums[:, -1])


def refitted_gains(
    languages: Sequence[OfLanguage],
    fold: Ints,
    order: Sequence[int],
    weights: Floats,
    *,
    pooled: bool,
) -> Floats:
    """Return the gain over the baseline of the cells that the other folds select, [B, G].

    Args:
        languages: those of a run.
        fold: of each cluster, [C].
        order: the cells that may be selected; of cells with the same accuracy the first is.
        weights: how often each resample drew each cluster, [B, C].
        pooled: whether one cell is selected for all languages, by the mean of their accuracies.

    Returns:
        NaN where a resample drew no instance of a language to judge.
    """
    judged = [np.zeros((len(weights), len(languages))) for _ in range(3)]
    for number in np.unique(fold):
        selecting, judging = weights * (fold != number), weights * (fold == number)
        accuracies = [_accuracy(one, selecting, order) for one in languages]
        if pooled:
            with np.errstate(invalid="ignore"):
                accuracies = [np.nanmean(accuracies, axis=0)] * len(languages)
        for place, (one, accuracy) in enumerate(zip(languages, accuracies, strict=True)):
            # Sums in another order differ in their last bits, so equal accuracies are rounded.
            best = np.asarray(order)[np.nan_to_num(accuracy, nan=-1).round(12).argmax(1)]
            right = judging @ one.right
            judged[0][:, place] += right[np.arange(len(weights)), best]
            judged[1][:, place] += judging @ one.baseline
            judged[2][:, place] += judging @ one.size
    right, baseline, size = judged
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((right - baseline) / np.where(size > 0, size, np.nan))


def _accuracy(one: OfLanguage, weights: Floats, order: Sequence[int]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((weights @ one.right[:, list(order)]) / (weights @ one.size)[:, None])


def two_sided(resampled: npt.ArrayLike, estimate: float) -> float:
    """Return the p-value of no gain: how far out zero lies among the resampled gains."""
    gains = np.asarray(resampled, dtype=np.float64)
    gains = gains[np.isfinite(gains)]
    if estimate == 0 or not len(gains):
        return 1.0
    beyond = (gains <= 0).sum() if estimate > 0 else (gains >= 0).sum()
    return float(min(1.0, 2 * (1 + beyond) / (1 + len(gains))))
