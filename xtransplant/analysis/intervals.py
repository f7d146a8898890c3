"""Intervals of means, by bootstrap over clusters of instances; arrays in, arrays out.

Instances are not independent: questions share a passage, and each question exists in every
language. So whole clusters are resampled, the same ones for all cells and languages (Miller 2024,
arXiv 2411.00640, section 2.2). Shapes: I instances, C clusters, V columns such as the cells of a
grid, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL = 0.95
"""Confidence level of every interval."""
N_RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Intervals:
    """Estimates with their intervals, each of shape (V,), and the sizes of the sample."""

    estimate: Floats
    low: Floats
    high: Floats
    n: int
    n_clusters: int


@lru_cache(maxsize=8)
def resample_weights(n_clusters: int, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Floats:
    """Return how often each resample drew each cluster, [B, C].

    Each resample draws `n_clusters` clusters with replacement. Means over the same number of
    clusters use the same resamples.
    """
    rng = np.random.default_rng(seed)
    chances = np.full(n_clusters, 1 / n_clusters)
    return rng.multinomial(n_clusters, chances, size=n_resamples).astype(np.float64)


def bootstrap_intervals(
    values: npt.ArrayLike,
    cluster: Ints,
    group: Ints | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    weights: Floats | None = None,
) -> Intervals:
    """Return the mean of each column with its interval.

    Use this for means that are not shares, such as the number of distinct answers. For 0/1
    outcomes, `xtransplant.analysis.shares` has better intervals.

    The interval is the percentile interval, widened for few clusters as Student's t is (Hesterberg
    2015, arXiv 1411.5279). If all clusters agree, all resamples are equal, although the mean is
    uncertain. The interval is then Clopper and Pearson's for C trials, none of which deviates.

    Args:
        values: values of the instances, [I] or [I, V].
        cluster: cluster of each instance, 0..C-1.
        group: group of each instance, 0..G-1, for the mean of the groups' means (macro average);
            None for the mean of all instances (micro average).
        bounds: smallest and largest possible value.
        weights: resamples, [B, C]; None for those of `resample_weights`.
    """
    columns = np.asarray(values, dtype=np.float64).reshape(len(cluster), -1)
    n_clusters = len(np.unique(cluster))
    draws = resample_weights(n_clusters) if weights is None else weights
    groups = np.zeros(len(cluster), dtype=np.int64) if group is None else group
    members = [groups == one for one in np.unique(groups)]
    estimate = np.mean([columns[inside].mean(0) for inside in members], axis=0)
    counts = [
        draws @ cluster_sums(np.ones((inside.sum(), 1)), cluster[inside], n_clusters)
        for inside in members
    ]
    drawn = np.all([count[:, 0] > 0 for count in counts], axis=0)
    resampled = np.zeros((int(drawn.sum()), columns.shape[1]))
    for inside, count in zip(members, counts, strict=True):
        sums = draws @ cluster_sums(columns[inside], cluster[inside], n_clusters)
        resampled += sums[drawn] / count[drawn] / len(members)
    tail = _widened_tail(n_clusters)
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    agree = high - low < 1e-12
    deviating = 1 - ((1 - LEVEL) / 2) ** (1 / n_clusters)
    low[agree] = (estimate - deviating * (estimate - bounds[0]))[agree]
    high[agree] = (estimate + deviating * (bounds[1] - estimate))[agree]
    return Intervals(estimate, low, high, len(columns), n_clusters)


def cluster_sums(columns: Floats, cluster: Ints, n_clusters: int) -> Floats:
    """Return the sum of each column over each cluster's instances, [C, V]."""
    sums = np.zeros((n_clusters, columns.shape[1]))
    np.add.at(sums, cluster, columns)
    return sums


def _widened_tail(n_clusters: int) -> float:
    """Return the share of resamples to leave out at each end."""
    tail = (1 - LEVEL) / 2
    if n_clusters < 2:
        return tail
    widening = np.sqrt(n_clusters / (n_clusters - 1))
    return float(stats.norm.cdf(widening * stats.t.ppf(tail, n_clusters - 1)))
