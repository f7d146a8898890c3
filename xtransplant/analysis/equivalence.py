"""Whether a difference is smaller than a margin: two one-sided tests (TOST).

A p-value above 0.05 does not say that two outcomes are alike: a small sample finds nothing either.
Two one-sided tests do (TOST: Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15,
657-680). One asks whether the difference is above minus the margin, the other whether it is below
the margin. Each is made at half the level, so that the p-value is at most 0.05 exactly where the
95 % interval, which stands beside it, lies inside the margin. The usual 90 % interval is too short
where few clusters hold all that differs (docs/statistics.md).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.intervals import LEVEL, Intervals, Ints
from xtransplant.analysis.outcomes import Bools
from xtransplant.analysis.shares import DifferenceSample, difference_of_means

MARGIN = 0.02
"""Differences of less than two points count as none, unless the user says otherwise."""
_HALVINGS = 14  # a p-value to four decimals


def equivalence_p(
    differences: npt.ArrayLike, cluster: Ints, margin: float, group: Ints | None = None
) -> float:
    """Return the p-value of a difference that is at least as large as a margin, up or down.

    Differences of two outcomes (-1, 0 or 1) are tested by the interval of `difference_intervals`:
    the p-value is the largest share left out, half of it at each end, for which the interval is not
    inside the margin. Other differences are tested by Student's t over clusters.

    Args:
        differences: one outcome minus another, [I].
        cluster: the cluster of each instance.
        margin: the smallest difference that counts, above 0.
        group: as for `difference_intervals`.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not np.isin(values, (-1, 0, 1)).all():
        estimate, error, n_clusters = difference_of_means(values, cluster, group)
        return _by_t(estimate, error, n_clusters, margin)
    sample = DifferenceSample.of(values, cluster, group)
    low, high = 0.0, 1.0
    if not inside(sample.interval(high / 2), margin).all():
        return high
    for _ in range(_HALVINGS):  # the interval grows as the share left out falls
        middle = (low + high) / 2
        fits = inside(sample.interval(middle / 2), margin).all()
        low, high = (low, middle) if fits else (middle, high)
    return high


def equivalence_of_interval(found: Intervals, margin: float) -> float:
    """Return the same p-value by Student's t, for a difference of which only the interval is known.

    Args:
        found: one difference with its 95 % interval; its longer side counts.
        margin: the smallest difference that counts, above 0.
    """
    return _by_t(float(found.estimate[0]), standard_error(found), found.n_clusters, margin)


def standard_error(found: Intervals) -> float:
    """Return the standard error that Student's t over clusters gives an interval's longer side."""
    reach = float(max(found.high[0] - found.estimate[0], found.estimate[0] - found.low[0]))
    return reach / float(stats.t.ppf(1 - (1 - LEVEL) / 2, max(found.n_clusters - 1, 1)))


def inside(found: Intervals, margin: float) -> Bools:
    """Return which intervals lie inside a margin around zero, [V]."""
    return np.asarray((-margin < found.low) & (found.high < margin))


def _by_t(estimate: float, error: float, n_clusters: int, margin: float) -> float:
    if abs(estimate) >= margin or not error or n_clusters < 2:
        return 1.0
    return float(2 * stats.t.sf((margin - abs(estimate)) / error, n_clusters - 1))
