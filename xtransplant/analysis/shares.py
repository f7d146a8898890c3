"""Intervals of shares, and of differences of two shares; arrays in, arrays out.

For a share near 0 or 1, few clusters, or a sample without variation, resampling gives intervals
that are too short or empty. The intervals here are exact ones for an effective sample size (Korn
and Graubard 1998, Survey Methodology 24, 193-201): the number of independent instances whose share
would vary as much as this one.

Shapes: I instances, C clusters, V columns such as the cells of a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.intervals import LEVEL, Floats, Intervals, Ints, cluster_sums

TAIL = (1 - LEVEL) / 2


def share_intervals(values: npt.ArrayLike, cluster: Ints, group: Ints | None = None) -> Intervals:
    """Return the share of each column with the interval of Korn and Graubard.

    If all instances of a column agree, the sample does not show how much clusters vary. The
    effective size is then the number of clusters.

    Args:
        values: outcomes, right or wrong, [I] or [I, V].
        cluster: cluster of each instance.
        group: group of each instance, for the mean of the groups' shares (macro average); None for
            the share of all instances.
    """
    sample = _Sample.of(cluster, group)
    columns = np.asarray(values, dtype=np.float64).reshape(sample.n, -1)
    share, residuals = sample.means(columns)
    variance = sample.covariance(residuals, residuals)
    low, high = _exact(share, sample.effective_size(share * (1 - share), variance), TAIL)
    return Intervals(share, low, high, sample.n, sample.n_clusters)


def difference_intervals(
    differences: npt.ArrayLike, cluster: Ints, p: Floats, group: Ints | None = None
) -> Intervals:
    """Return the mean of each column of differences with an interval that agrees with its test.

    The difference is the share of instances gained minus the share lost. The interval combines the
    intervals of the two shares and their correlation (MOVER: Zou and Donner 2008, Statistics in
    Medicine 27, 1693-1702). The test decides whether the interval contains zero: if it rejects the
    null hypothesis, an interval across zero is cut so that it excludes zero; if it does not, the
    interval is extended to zero.

    Args:
        differences: one outcome minus another (-1, 0 or 1), [I] or [I, V].
        cluster: cluster of each instance.
        p: two-sided p-value of no difference, [V].
        group: group of each instance, as for `share_intervals`.
    """
    return agreeing(DifferenceSample.of(differences, cluster, group).interval(TAIL), p)


@dataclass(frozen=True, eq=False)
class DifferenceSample:
    """What a sample tells of differences of outcomes: the shares gained and lost.

    Attributes:
        gained: share of instances gained, [V].
        lost: share of instances lost, [V].
        size_gained: independent instances whose share gained would vary as much, [V].
        size_lost: the same of the share lost, [V].
        correlation: of the two shares, [V].
        n: number of instances.
        n_clusters: number of clusters.
    """

    gained: Floats
    lost: Floats
    size_gained: Floats
    size_lost: Floats
    correlation: Floats
    n: int
    n_clusters: int

    @classmethod
    def of(
        cls, differences: npt.ArrayLike, cluster: Ints, group: Ints | None = None
    ) -> DifferenceSample:
        """Take the shares of differences; arguments as for `difference_intervals`."""
        sample = _Sample.of(cluster, group)
        columns = np.asarray(differences, dtype=np.float64).reshape(sample.n, -1)
        gained, of_gained = sample.means(columns.clip(0, None))
        lost, of_lost = sample.means((-columns).clip(0, None))
        var_gained = sample.covariance(of_gained, of_gained)
        var_lost = sample.covariance(of_lost, of_lost)
        both = sample.covariance(of_gained, of_lost)
        return cls(
            gained=gained,
            lost=lost,
            size_gained=sample.effective_size(gained * (1 - gained), var_gained),
            size_lost=sample.effective_size(lost * (1 - lost), var_lost),
            correlation=_correlation(both, var_gained, var_lost, gained, lost),
            n=sample.n,
            n_clusters=sample.n_clusters,
        )

    def interval(self, tail: float) -> Intervals:
        """Return the differences with intervals that leave out a share at each end (MOVER)."""
        gained_low, gained_high = _exact(self.gained, self.size_gained, tail)
        lost_low, lost_high = _exact(self.lost, self.size_lost, tail)
        estimate = self.gained - self.lost
        low = estimate - _joined(self.gained - gained_low, lost_high - self.lost, self.correlation)
        high = estimate + _joined(gained_high - self.gained, self.lost - lost_low, self.correlation)
        return Intervals(estimate, low.clip(-1, 1), high.clip(-1, 1), self.n, self.n_clusters)


def difference_of_means(
    differences: npt.ArrayLike, cluster: Ints, group: Ints | None = None
) -> tuple[float, float, int]:
    """Return the mean of one column of differences, its standard error, and the number of clusters.

    Arguments as for `difference_intervals`, but the differences may be any numbers.
    """
    sample = _Sample.of(cluster, group)
    mean, residuals = sample.means(np.asarray(differences, dtype=np.float64).reshape(sample.n, 1))
    variance = sample.covariance(residuals, residuals)
    return float(mean[0]), float(np.sqrt(variance[0])), sample.n_clusters


def deviations_by_cluster(
    values: npt.ArrayLike, cluster: Ints, group: Ints, n_clusters: int
) -> Floats:
    """Return what each of C clusters adds to the deviation of a mean of groups' means, [C].

    Args:
        values: [I].
        cluster: the cluster of each instance, 0..C-1; some may have none.
        group: the group of each instance.
        n_clusters: C.
    """
    sample = replace(_Sample.of(cluster, group), cluster=cluster, n_clusters=n_clusters)
    column = np.asarray(values, dtype=np.float64).reshape(sample.n, 1)
    return np.asarray(sample.means(column)[1][:, 0])


def independent_instances(
    differences: npt.ArrayLike, cluster: Ints, group: Ints | None = None
) -> float:
    """Return how many independent instances would tell as much of a difference.

    It is below the number of instances where clusters agree within, where languages of unequal
    size count alike, and for few clusters. Arguments as for `difference_intervals`, of one column.
    """
    sample = _Sample.of(cluster, group)
    column = np.asarray(differences, dtype=np.float64).reshape(sample.n, 1)
    mean, residuals = sample.means(column)
    squares, _ = sample.means(column**2)
    variance = sample.covariance(residuals, residuals)
    return float(sample.effective_size(squares - mean**2, variance)[0])


@dataclass(frozen=True, eq=False)
class _Sample:
    """Instances with their weights in the mean, and their clusters.

    Attributes:
        weight: weight of each instance in the mean, [I]; the weights add up to 1.
        group: group of each instance, 0..G-1, [I].
        cluster: cluster of each instance, 0..C-1, [I].
        n_clusters: number C of clusters.
    """

    weight: Floats
    group: Ints
    cluster: Ints
    n_clusters: int

    @classmethod
    def of(cls, cluster: Ints, group: Ints | None) -> _Sample:
        names, codes = np.unique(cluster, return_inverse=True)
        groups = np.zeros(len(codes), np.int64) if group is None else group
        _, of_instance, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        weight = 1 / (len(sizes) * sizes[of_instance])
        return cls(weight, of_instance.astype(np.int64), codes.astype(np.int64), len(names))

    @property
    def n(self) -> int:
        return len(self.weight)

    def means(self, columns: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return the mean of each column, [V], and each cluster's sum of deviations, [C, V].

        Deviations are from the mean of the instance's own group.
        """
        values = np.asarray(columns, dtype=np.float64)
        n_groups = int(self.group.max()) + 1
        sizes = np.bincount(self.group, minlength=n_groups)[:, None]
        of_groups = cluster_sums(values, self.group, n_groups) / sizes
        deviations = (values - of_groups[self.group]) * self.weight[:, None]
        return of_groups.mean(0), cluster_sums(deviations, self.cluster, self.n_clusters)

    def covariance(self, left: Floats, right: Floats) -> Floats:
        """Return the covariance of two means over samples of clusters, by linearisation, [V]."""
        if self.n_clusters < 2:
            return np.zeros(left.shape[1])
        return np.asarray((left * right).sum(0) * self.n_clusters / (self.n_clusters - 1))

    def effective_size(self, of_one: Floats, variance: Floats) -> Floats:
        """Return the effective sample size, [V]; it is at most the number of instances.

        It is reduced for few clusters, because Student's t is wider than the normal distribution.

        Args:
            of_one: variance of a single instance, [V].
            variance: of the mean, [V].
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            size = 1 + of_one / variance
        if self.n_clusters > 1:
            few, many = stats.t.ppf(TAIL, self.n_clusters - 1), stats.t.ppf(TAIL, self.n - 1)
            size = size * (many / few) ** 2
        unknown = ~(variance > 1e-15)
        return np.asarray(np.where(unknown, self.n_clusters, np.minimum(size, self.n)))


def _exact(share: Floats, size: Floats, tail: float) -> tuple[Floats, Floats]:
    """Return Clopper and Pearson's interval, which leaves out the share `tail` at each end.

    `size` need not be a whole number.
    """
    right = share * size
    wrong = size - right
    with np.errstate(invalid="ignore"):
        low = np.where(right > 1e-9, stats.beta.ppf(tail, right, wrong + 1), 0.0)
        high = np.where(wrong > 1e-9, stats.beta.ppf(1 - tail, right + 1, wrong), 1.0)
    return low, high


def _correlation(
    covariance: Floats, var_gained: Floats, var_lost: Floats, gained: Floats, lost: Floats
) -> Floats:
    """Return the correlation of the shares gained and lost.

    If nothing varies between clusters, it is the correlation within one instance, which is negative
    because a gained instance is not lost.
    """
    both = var_gained * var_lost
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = covariance / np.sqrt(both)
        of_one = -np.sqrt(gained * lost / ((1 - gained) * (1 - lost)))
    return np.asarray(np.nan_to_num(np.where(both > 1e-30, seen, of_one)).clip(-1, 1))


def _joined(one: Floats, other: Floats, correlation: Floats) -> Floats:
    """Return the distance from a difference to an end of its interval, given those of shares."""
    return np.asarray(np.sqrt((one**2 + other**2 - 2 * correlation * one * other).clip(0)))


def agreeing(found: Intervals, p: Floats) -> Intervals:
    """Adjust each interval so that it contains zero if and only if its test does not reject zero.

    Args:
        found: intervals of differences.
        p: two-sided p-value of no difference, [V].
    """
    rejected = p <= 1 - LEVEL
    tiny = np.finfo(np.float64).tiny
    low = np.where(rejected & (found.estimate > 0), np.maximum(found.low, tiny), found.low)
    high = np.where(rejected & (found.estimate < 0), np.minimum(found.high, -tiny), found.high)
    low = np.where(rejected, low, np.minimum(low, 0.0))
    high = np.where(rejected, high, np.maximum(high, 0.0))
    return replace(found, low=low, high=high)
