"""Held-out accuracy by folds, with the selection repeated in every bootstrap resample.

The verdicts of folds depend on each other, because each fold judges the cell that the other folds
selected (Bates, Hastie and Tibshirani 2023, arXiv 2104.00673). An interval that takes the selected
cells as given is too short, and a paired test of such verdicts rejects too often. So each resample
of the clusters selects again. A cluster keeps its fold, so that its copies never select for each
other.

The resamples show how much the estimate varies, but not where it is: if several cells are about
equally good, resamples select others, and their gains shrink towards the mean of the cells. So the
interval is the estimate plus or minus Student's t times the standard deviation of the resamples.

Shapes: I instances, C clusters, V cells, B resamples, G languages, F folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.intervals import LEVEL, Floats, Intervals, Ints, cluster_sums
from xtransplant.analysis.outcomes import Bools

REFITTED = "refitted_folds"
"""Name of the test whose resamples select anew."""
Counts = npt.NDArray[np.float32]
"""Whole numbers; 32-bit floats are exact up to 16 million."""
_BLOCK = 60_000_000  # numbers in memory at once


@dataclass(frozen=True, eq=False)
class OfLanguage:
    """The sums of one language over each cluster.

    Attributes:
        right: number of instances that each cell answers correctly, [C, V].
        baseline: number of instances that the baseline answers correctly, [C].
        size: number of instances, [C].
        fold: fold of each cluster, [C].
    """

    right: Counts
    baseline: Floats
    size: Floats
    fold: Ints

    @classmethod
    def of(cls, correct: Bools, baseline: Bools, cluster: Ints, fold: Ints) -> OfLanguage:
        """Sum the verdicts of instances, [I, V] and [I], over their clusters, numbered 0..C-1."""
        columns = np.column_stack([correct, baseline, np.ones(len(baseline))])
        sums = cluster_sums(columns.astype(np.float64), cluster, len(fold))
        return cls(sums[:, :-2].astype(np.float32), sums[:, -2], sums[:, -1], fold)

    def by_fold(self, weights: Floats, n_folds: int) -> tuple[Counts, Floats]:
        """Return each fold's sums in each resample: right, [F, B, V], and instances, [F, B]."""
        right = np.zeros((n_folds, len(weights), self.right.shape[1]), dtype=np.float32)
        size = np.zeros((n_folds, len(weights)))
        for number in range(n_folds):
            inside = self.fold == number
            drawn = weights[:, inside]
            right[number] = drawn.astype(np.float32) @ self.right[inside]
            size[number] = drawn @ self.size[inside]
        return right, size


@dataclass(frozen=True, eq=False)
class Refitted:
    """The sums over the judged instances of each resample, each [B, G].

    Attributes:
        right: number of right answers with the cells that the other folds selected.
        baseline: number of right answers of the baseline.
        size: number of instances; a resample may have none of a language.
    """

    right: Floats
    baseline: Floats
    size: Floats

    @property
    def accuracy(self) -> Floats:
        """Return the accuracy of each language, [B, G]; NaN if a resample has no instance."""
        return _ratio(self.right, self.size)

    @property
    def gain(self) -> Floats:
        """Return the accuracy minus that of the baseline, [B, G]."""
        return _ratio(self.right - self.baseline, self.size)

    @property
    def micro_accuracy(self) -> Floats:
        """Return the accuracy over all instances, [B]."""
        return _ratio(self.right.sum(1), self.size.sum(1))

    @property
    def micro_gain(self) -> Floats:
        """Return the accuracy minus that of the baseline over all instances, [B]."""
        return _ratio((self.right - self.baseline).sum(1), self.size.sum(1))


def refitted(
    languages: Sequence[OfLanguage],
    orders: Mapping[str, Sequence[int]],
    weights: Floats,
    *,
    pooled: bool,
) -> dict[str, Refitted]:
    """Select again in each resample and judge by folds, for each strategy.

    Args:
        languages: sums of each language of a run.
        orders: cells that each strategy may select; the first one wins in a tie.
        weights: number of times that each resample drew each cluster, [B, C].
        pooled: whether one cell is selected for all languages, by the mean of their accuracies.
    """
    n_folds = 1 + max(int(one.fold.max()) for one in languages)
    step = max(1, _BLOCK // (n_folds * len(languages) * languages[0].right.shape[1]))
    baseline = np.stack([weights @ one.baseline for one in languages], axis=1)
    size = np.stack([weights @ one.size for one in languages], axis=1)
    right = {strategy: np.zeros(size.shape) for strategy in orders}
    for start in range(0, len(weights), step):
        some = slice(start, start + step)
        sums = [one.by_fold(weights[some], n_folds) for one in languages]
        for number in range(n_folds):
            scores = [(of.sum(0) - of[number], n.sum(0) - n[number]) for of, n in sums]
            _judge(number, sums, _scores(scores, pooled=pooled), orders, right, some)
    return {strategy: Refitted(found, baseline, size) for strategy, found in right.items()}


def _scores(
    selecting: Sequence[tuple[Counts, Floats]], *, pooled: bool
) -> Sequence[npt.NDArray[np.floating]]:
    """Return the scores by which cells are selected, for each language or once for all, [B, V]."""
    if not pooled:
        return [right for right, _ in selecting]
    present = np.sum([size > 0 for _, size in selecting], axis=0)
    total = sum(right / np.maximum(size, 1)[:, None] for right, size in selecting)
    # Sums in another order differ in their last bits, so equal accuracies are rounded to ties.
    return [np.round(total / np.maximum(present, 1)[:, None], 12)]


def _judge(
    number: int,
    sums: Sequence[tuple[Counts, Floats]],
    scores: Sequence[npt.NDArray[np.floating]],
    orders: Mapping[str, Sequence[int]],
    right: Mapping[str, Floats],
    some: slice,
) -> None:
    """Add to `right` the right answers of a fold's instances with the cells of the other folds."""
    for strategy, order in orders.items():
        best = [np.asarray(order)[score[:, list(order)].argmax(1)] for score in scores]
        for place, (of, _) in enumerate(sums):
            cells = best[place if len(best) > 1 else 0]
            right[strategy][some, place] += of[number][np.arange(len(cells)), cells]


def widened(found: Intervals, resampled: Floats) -> Intervals:
    """Return the interval of one estimate, widened to include the interval from the resamples.

    Args:
        found: estimate with the interval that takes the selected cells as given, of shape (1,).
        resampled: estimate in each resample, [B].
    """
    reach = _t(1 - (1 - LEVEL) / 2, found.n_clusters) * _deviation(resampled)
    return replace(
        found,
        low=np.minimum(found.low, np.maximum(found.estimate - reach, -1)),
        high=np.maximum(found.high, np.minimum(found.estimate + reach, 1)),
    )


def two_sided(resampled: Floats, estimate: float, n_clusters: int) -> float:
    """Return the two-sided p-value of no gain that matches the interval from the resamples."""
    deviation = _deviation(resampled)
    if estimate == 0 or not deviation:
        return float(estimate == 0)
    return float(2 * stats.t.sf(abs(estimate) / deviation, max(n_clusters - 1, 1)))


def _t(share: float, n_clusters: int) -> float:
    return float(stats.t.ppf(share, max(n_clusters - 1, 1)))


def _deviation(resampled: Floats) -> float:
    finite = resampled[np.isfinite(resampled)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else 0.0


def _ratio(count: Floats, size: Floats) -> Floats:
    return np.asarray(np.divide(count, size, out=np.full(size.shape, np.nan), where=size > 0))
