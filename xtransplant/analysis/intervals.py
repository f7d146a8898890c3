"""Intervals of means, by bootstrap over clusters of instances; arrays in, arrays out.

Instances are not independent: questions share a passage, and one question comes in every language.
So whole clusters are resampled, the same ones for all cells and languages (Miller 2024, arXiv
2411.00640, section 2.2). Shapes: I instances, C clusters, V values side by side such as the cells
of a grid, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Resamples of the clusters of one data set; all of its figures share them.

    Attributes:
        weights: number of times each resample drew each cluster, [B, C].
    """

    weights: Floats

    @classmethod
    def of(cls, n_clusters: int, seed: int = 0, n_resamples: int = N_RESAMPLES) -> Bootstrap:
        """Draw resamples: each draws as many clusters as there are, with replacement."""
        rng = np.random.default_rng(seed)
        chances = np.full(n_clusters, 1 / n_clusters)
        return cls(rng.multinomial(n_clusters, chances, size=n_resamples).astype(np.float64))

    def intervals(
        self,
        values: npt.ArrayLike,
        cluster: Ints,
        group: Ints | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
    ) -> Intervals:
        """Return the mean of each column with its interval.

        The interval is the percentile one, its tails widened for few clusters as Student's t is
        (Hesterberg 2015, arXiv 1411.5279). In simulations over 40 to 200 clusters it covered in
        93.4 to 97.0 % of cases, the plain one in 92.7 to 96.9 %, BCa in 93.0 to 98.1 %. Where all
        clusters agree, all resamples are equal, although the figure is not certain. The interval
        is then Clopper and Pearson's for as many trials as clusters, none of which deviates.

        Args:
            values: right or wrong, or differences of two of these, [I] or [I, V].
            cluster: the cluster of each instance, 0..C-1.
            group: the group of each instance, 0..G-1; the figure is then the mean of the groups'
                means (macro average). Without groups it is the mean of all instances (micro
                average).
            bounds: the smallest and the largest possible value.
        """
        columns = np.asarray(values, dtype=np.float64).reshape(len(cluster), -1)
        groups = np.zeros(len(cluster), dtype=np.int64) if group is None else group
        members = [groups == one for one in np.unique(groups)]
        estimate = np.mean([columns[inside].mean(0) for inside in members], axis=0)
        counts = [
            self._resampled(np.ones((inside.sum(), 1)), cluster[inside]) for inside in members
        ]
        drawn = np.all([count[:, 0] > 0 for count in counts], axis=0)
        resampled = np.zeros((int(drawn.sum()), columns.shape[1]))
        for inside, count in zip(members, counts, strict=True):
            sums = self._resampled(columns[inside], cluster[inside])
            resampled += sums[drawn] / count[drawn] / len(members)
        n_clusters = len(np.unique(cluster))
        tail = _widened_tail(n_clusters)
        low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
        agree = high - low < 1e-12
        deviating = 1 - ((1 - LEVEL) / 2) ** (1 / n_clusters)
        low[agree] = (estimate - deviating * (estimate - bounds[0]))[agree]
        high[agree] = (estimate + deviating * (bounds[1] - estimate))[agree]
        return Intervals(estimate, low, high, len(columns), n_clusters)

    def _resampled(self, columns: Floats, cluster: Ints) -> Floats:
        """Return the sum of each column in each resample, [B, V]."""
        return self.weights @ cluster_sums(columns, cluster, self.weights.shape[1])


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
