"""Differences of two gains, such as those of two kinds of task or of two groups of languages.

Each gain has an interval that holds at the edges (`xtransplant.analysis.shares`). The interval of
their difference joins the two, with their correlation where they share clusters (MOVER: Zou and
Donner 2008, Statistics in Medicine 27, 1693-1702). The p-value is that of Student's t with the
standard error that the interval has on the side of zero, so the two never contradict each other.

Shapes: I instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.intervals import LEVEL, Floats, Intervals
from xtransplant.analysis.measures import Measured
from xtransplant.analysis.shares import TAIL, DifferenceSample, deviations_by_cluster

Contrast = tuple[Intervals, str, Floats]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Gains:
    """Gains of instances, whose mean is the mean of the groups' means.

    Attributes:
        values: one outcome minus another: -1, 0 or 1, [I].
        cluster: name of each instance's cluster, [I].
        group: name of each instance's group, such as its language, [I].
    """

    values: Floats
    cluster: Names
    group: Names

    @classmethod
    def of(cls, found: Measured) -> Gains:
        """Take the gains of a measure over the baseline, grouped by language."""
        return cls(found.gain, found.outcomes.cluster, found.outcomes.language)

    @classmethod
    def side_by_side(cls, parts: Mapping[str, Gains]) -> Gains:
        """Join gains of the same questions, such as those of several models."""
        return cls(
            np.concatenate([part.values for part in parts.values()]),
            np.concatenate([part.cluster for part in parts.values()]),
            np.concatenate([_within(name, part.group) for name, part in parts.items()]),
        )

    @classmethod
    def joined(cls, parts: Mapping[str, Gains]) -> Gains:
        """Join gains of several tasks, whose clusters are apart."""
        apart = {
            name: replace(part, cluster=_within(name, part.cluster)) for name, part in parts.items()
        }
        return cls.side_by_side(apart)

    def interval(self) -> Intervals:
        """Return the mean with its interval."""
        return DifferenceSample.of(self.values, _codes(self.cluster), _codes(self.group)).interval(
            TAIL
        )


def difference_of_gains(left: Gains, right: Gains) -> Contrast:
    """Return the mean of the left gains less that of the right ones."""
    ours, theirs = left.interval(), right.interval()
    correlation = _correlation(left, right)
    estimate = ours.estimate - theirs.estimate
    low = estimate - _joined(ours.estimate - ours.low, theirs.high - theirs.estimate, correlation)
    high = estimate + _joined(ours.high - ours.estimate, theirs.estimate - theirs.low, correlation)
    n_clusters = len(np.union1d(left.cluster, right.cluster))
    found = Intervals(estimate, low, high, len(left.values) + len(right.values), n_clusters)
    return found, "t", p_of_interval(found, min(ours.n_clusters, theirs.n_clusters) - 1)


def p_of_interval(found: Intervals, df: float) -> Floats:
    """Return the p-value of zero by Student's t, with the standard error of the side of zero."""
    reach = np.where(found.estimate > 0, found.estimate - found.low, found.high - found.estimate)
    ratio = stats.t.ppf(1 - (1 - LEVEL) / 2, max(df, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(found.estimate) / reach * ratio, max(df, 1))
    return np.asarray(np.where(found.estimate == 0, 1.0, p))


def _joined(one: Floats, other: Floats, correlation: float) -> Floats:
    return np.asarray(np.sqrt((one**2 + other**2 - 2 * correlation * one * other).clip(0)))


def _correlation(left: Gains, right: Gains) -> float:
    """Return the correlation of two means that share clusters; 0 where they share none."""
    names = np.union1d(left.cluster, right.cluster)
    ours, theirs = (
        deviations_by_cluster(
            each.values, np.searchsorted(names, each.cluster), _codes(each.group), len(names)
        )
        for each in (left, right)
    )
    both = float((ours**2).sum() * (theirs**2).sum())
    return float((ours * theirs).sum() / np.sqrt(both)) if both > 0 else 0.0


def _within(name: str, names: Names) -> Names:
    return np.array([f"{name}\0{each}" for each in names.tolist()])


def _codes(names: Names) -> npt.NDArray[np.int64]:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
