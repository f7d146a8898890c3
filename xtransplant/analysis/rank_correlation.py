"""Spearman's rank correlation with an interval and an exact test, for few points."""

from __future__ import annotations

import numpy as np
from scipy import stats

from xtransplant.analysis.intervals import LEVEL, Floats, Intervals
from xtransplant.analysis.shares import agreeing

LEAST_POINTS = 5
"""Points for which an interval says anything: below, no order of the points is significant."""
N_PERMUTATIONS = 9_999


def spearman(xs: Floats, ys: Floats) -> tuple[Intervals, Floats]:
    """Return Spearman's correlation of at least five points with its interval, and the p-value.

    The interval is that of Bonett and Wright (2000, Psychometrika 65, 23-28) with Student's t. The
    p-value is by permutation, of all orders of up to seven points. The interval holds zero exactly
    where the p-value is above 0.05.

    Args:
        xs: one value of each point, not all equal.
        ys: the other value of each point, not all equal.
    """
    n = len(xs)
    left, right = (stats.rankdata(each) - (n + 1) / 2 for each in (xs, ys))
    scale = float(np.sqrt((left**2).sum() * (right**2).sum()))
    rho = float((left * right).sum() / scale)
    tested = stats.permutation_test(
        (right,),
        lambda order, axis: (left * order).sum(axis) / scale,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=N_PERMUTATIONS,
        rng=np.random.default_rng(0),
    )
    # A perfect order of a few points does not make the correlation certain.
    z = np.arctanh(np.clip(rho, -1 + 1 / n**2, 1 - 1 / n**2))
    reach = stats.t.ppf(1 - (1 - LEVEL) / 2, n - 2) * np.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = np.tanh(z - reach), np.tanh(z + reach)
    ends = min(float(low), rho), max(float(high), rho)
    found = Intervals(np.array([rho]), np.array([ends[0]]), np.array([ends[1]]), n, n)
    p = np.array([float(tested.pvalue)])
    return agreeing(found, p), p
