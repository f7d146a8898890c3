"""Several seeds of one control: averaged by instance, with their spread in the interval.

A control that draws has other results with another seed. The average over seeds is a better figure
than that of one seed. Two things make it uncertain: the instances, and the seeds. Resampling
instances tells the first. The second is the variance of the seeds' figures, divided by their
number. Both are added, and Student's t has the degrees of freedom of Satterthwaite (1946,
Biometrics Bulletin 2, 110-114).

Shapes: I instances, S seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.contrasts import Contrast, Scope, difference
from xtransplant.analysis.intervals import LEVEL, Floats, Intervals
from xtransplant.analysis.shares import agreeing


def averaged(values: npt.ArrayLike) -> Floats:
    """Return the average over seeds of each instance, [I], from [I, S]; NaN is left out."""
    return np.asarray(np.nanmean(np.asarray(values, dtype=np.float64), axis=1))


def averaged_interval(scope: Scope, values: npt.ArrayLike) -> Intervals:
    """Return the mean of outcomes of one or several seeds, [I, S], with its interval.

    NaN stands where an instance does not count for a seed; it must count for one.
    """
    averages = averaged(values)
    if _n_seeds(values) == 1:
        return scope.interval(averages)
    return _widened(scope.average_interval(averages), _spread(scope, values), (0.0, 1.0))[0]


def averaged_difference(scope: Scope, left: npt.ArrayLike, right: npt.ArrayLike) -> Contrast:
    """Return outcomes, [I], less those of one or several seeds, [I, S], as `difference` does.

    With several seeds the test is `seeds`: the larger p-value of the permutation of clusters, which
    takes the seeds as given, and of Student's t, which does not.
    """
    averages = averaged(right)
    if _n_seeds(right) == 1:
        return difference(scope, left, averages)
    differences = np.asarray(left, dtype=np.float64) - averages
    _, p = scope.test(differences)
    found = scope.average_difference(differences, p)
    widened, p_t = _widened(found, _spread(scope, right), (-1.0, 1.0))
    p = np.maximum(p, p_t)
    return agreeing(widened, p), "seeds", p


@dataclass(frozen=True)
class _Spread:
    """Variance of an average over seeds, and the number of seeds."""

    variance: float
    n_seeds: int


def _n_seeds(values: npt.ArrayLike) -> int:
    return int(np.shape(values)[1])


def _spread(scope: Scope, values: npt.ArrayLike) -> _Spread:
    """Return how much the seeds' figures vary about those of their average."""
    columns = np.asarray(values, dtype=np.float64)
    deviations = np.nan_to_num(columns - averaged(columns)[:, None])
    n_seeds = columns.shape[1]
    return _Spread(float(scope.mean(deviations).var(ddof=1)) / n_seeds, n_seeds)


def _widened(
    found: Intervals, spread: _Spread, bounds: tuple[float, float]
) -> tuple[Intervals, Floats]:
    """Return an interval with the spread of seeds added, and the p-value of zero by Student's t."""
    df = max(found.n_clusters - 1, 1)
    reach = float(stats.t.ppf(1 - (1 - LEVEL) / 2, df))
    below, above = ((found.estimate - found.low) / reach, (found.high - found.estimate) / reach)
    down, down_df = _added(below, df, spread)
    up, up_df = _added(above, df, spread)
    tail = 1 - (1 - LEVEL) / 2
    low = np.maximum(found.estimate - stats.t.ppf(tail, down_df) * down, bounds[0])
    high = np.minimum(found.estimate + stats.t.ppf(tail, up_df) * up, bounds[1])
    positive = found.estimate > 0
    error, error_df = np.where(positive, down, up), np.where(positive, down_df, up_df)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(found.estimate) / error, error_df)
    low, high = np.minimum(low, found.low), np.maximum(high, found.high)
    return replace(found, low=low, high=high), np.where(found.estimate == 0, 1.0, p)


def _added(error: Floats, df: int, spread: _Spread) -> tuple[Floats, Floats]:
    """Return the standard error with the spread, and its degrees of freedom."""
    variance = error**2 + spread.variance
    parts = error**4 / df + spread.variance**2 / (spread.n_seeds - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(parts > 0, variance**2 / parts, df)
    return np.sqrt(variance), np.asarray(freedom)
