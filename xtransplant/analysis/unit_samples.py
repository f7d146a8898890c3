"""Languages or models as a sample: the mean gain of units that were not run too.

The interval of a macro average takes the languages as given. Other languages would have other
gains. Two figures say what to expect of a language that is like these:

- the mean of the units with Student's t over units;
- the mean of a random-effects model, in which units have true gains of their own, with a deviation
  between them (Paule and Mandel 1982, J. Res. NBS 87, 377-385; interval by Hartung and Knapp 2001,
  Statistics in Medicine 20, 3875-3889, never shorter than without their factor).

Units that are asked the same questions share a part of their error, which does not show in how far
they differ from each other. It is estimated over clusters of instances, taken out of the variance
of each unit, and added to that of the mean.

Shapes: U units.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from xtransplant.analysis.interactions import Gains, p_of_interval
from xtransplant.analysis.intervals import LEVEL, Floats, Intervals
from xtransplant.analysis.shares import deviations_by_cluster

LEAST_UNITS = 2
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class OverUnits:
    """Mean gains of units that are a sample.

    Attributes:
        by_t: mean with the interval of Student's t over units.
        p: of no mean gain, by the same t.
        random_effects: mean of the random-effects model with its interval.
        between: standard deviation of the units' true gains.
    """

    by_t: Intervals
    p: float
    random_effects: Intervals
    between: float


def over_units(units: Sequence[Gains]) -> OverUnits:
    """Return the mean gains of at least two units."""
    found = [unit.interval() for unit in units]
    gains = np.array([float(each.estimate[0]) for each in found])
    n_clusters = len(set(np.concatenate([unit.cluster for unit in units]).tolist()))
    shared = max(_shared_variance(units), 0.0)
    own = np.array([_variance(each) for each in found])
    n = sum(each.n for each in found)
    error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    by_t = _interval(float(gains.mean()), error, shared, (len(gains), n, n_clusters))
    mean, of_mean, between = _random_effects(gains, np.maximum(own - shared, _TINY))
    random_effects = _interval(mean, of_mean, shared, (len(gains), n, n_clusters))
    p = float(p_of_interval(by_t, len(gains) - 1)[0])
    return OverUnits(by_t, p, random_effects, between)


def _interval(mean: float, error: float, shared: float, sizes: tuple[int, int, int]) -> Intervals:
    """Return a mean with its interval: over units, and over the clusters that they share."""
    n_units, n, n_clusters = sizes
    tail = 1 - (1 - LEVEL) / 2
    of_units = stats.t.ppf(tail, n_units - 1) * error
    of_clusters = stats.t.ppf(tail, max(n_clusters - 1, 1)) * np.sqrt(shared)
    reach = float(np.hypot(of_units, of_clusters))
    low, high = max(mean - reach, -1.0), min(mean + reach, 1.0)
    return Intervals(np.array([mean]), np.array([low]), np.array([high]), n, n_clusters)


def _random_effects(gains: Floats, variances: Floats) -> tuple[float, float, float]:
    """Return the mean, its standard error, and the deviation between units."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a deviation of 0, which is a result
        found = combine_effects(gains, variances, method_re="iterated", use_t=True)
    error = max(float(found.sd_eff_w_re), float(found.sd_eff_w_re_hksj))
    return float(found.mean_effect_re), error, float(np.sqrt(max(float(found.tau2), 0.0)))


def _variance(found: Intervals) -> float:
    """Return the variance that an interval stands for, which is above 0 where nothing varies."""
    ratio = stats.t.ppf(1 - (1 - LEVEL) / 2, max(found.n_clusters - 1, 1))
    return float((found.high[0] - found.low[0]) / 2 / ratio) ** 2


def _shared_variance(units: Sequence[Gains]) -> float:
    """Return the average covariance of two units' gains, from the clusters that they share."""
    names = np.unique(np.concatenate([unit.cluster for unit in units]))
    if len(names) < LEAST_UNITS:
        return 0.0
    deviations = np.stack(
        [
            deviations_by_cluster(
                unit.values,
                np.searchsorted(names, unit.cluster),
                np.unique(unit.group, return_inverse=True)[1],
                len(names),
            )
            for unit in units
        ]
    )
    covariance = deviations @ deviations.T * len(names) / (len(names) - 1)
    apart = ~np.eye(len(units), dtype=bool)
    return float(covariance[apart].mean())
