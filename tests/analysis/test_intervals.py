"""Intervals beside hand calculation and scipy; their coverage simulated."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xtransplant.analysis.intervals import bootstrap_intervals, resample_weights


def every_resample(n):
    """All n**n ways to draw n clusters: the bootstrap without chance."""
    draws = itertools.product(range(n), repeat=n)
    return np.array([np.bincount(d, minlength=n) for d in draws], dtype=float)


def test_estimate_is_the_mean_micro_and_macro():
    values = np.array([[1, 0], [0, 0], [1, 1], [1, 0], [1, 1]])
    cluster, language = np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1])
    micro = bootstrap_intervals(values, cluster)
    macro = bootstrap_intervals(values, cluster, language)
    assert micro.estimate.tolist() == [4 / 5, 2 / 5]
    assert macro.estimate == pytest.approx([(2 / 3 + 1) / 2, (1 / 3 + 1 / 2) / 2])
    assert (micro.n, micro.n_clusters) == (macro.n, macro.n_clusters) == (5, 3)


def test_interval_is_made_of_whole_clusters():
    # Four clusters of unequal size; every one of the 256 resamples has a mean to be had by hand.
    right, size = np.array([3, 0, 1, 1]), np.array([3, 1, 2, 1])
    cluster = np.repeat(np.arange(4), size)
    values = np.concatenate([[1, 1, 1], [0], [1, 0], [1]])
    means = [
        right[list(draw)].sum() / size[list(draw)].sum()
        for draw in itertools.product(range(4), repeat=4)
    ]
    tail = stats.norm.cdf(np.sqrt(4 / 3) * stats.t.ppf(0.025, 3))
    found = bootstrap_intervals(values, cluster, weights=every_resample(4))
    assert found.low[0] == pytest.approx(np.quantile(means, tail))
    assert found.high[0] == pytest.approx(np.quantile(means, 1 - tail))
    assert 0 < found.low[0] < 5 / 7 < found.high[0] <= 1


def test_all_columns_see_the_same_resamples():
    rng = np.random.default_rng(0)
    values = rng.random((40, 3))
    cluster = np.repeat(np.arange(20), 2)
    together = bootstrap_intervals(values, cluster)
    alone = [bootstrap_intervals(values[:, k], cluster) for k in range(3)]
    assert together.low == pytest.approx([one.low[0] for one in alone], abs=1e-12)
    # In each resample the means of complements add up to 1, so their intervals mirror each other.
    mirrored = bootstrap_intervals(1 - values, cluster)
    assert mirrored.low == pytest.approx(1 - together.high)


@pytest.mark.parametrize(("value", "bounds"), [(1.0, (0, 1)), (0.0, (0, 1)), (0.0, (-1, 1))])
def test_clusters_that_all_agree_are_no_certainty(value, bounds):
    n = 30
    found = bootstrap_intervals(np.full(n, value), np.arange(n), bounds=bounds)
    exact = stats.binomtest(0, n).proportion_ci(0.95, method="exact").high
    assert found.high[0] == pytest.approx(min(value + exact, bounds[1]))
    assert found.low[0] == pytest.approx(max(value - exact, bounds[0]))


@pytest.mark.parametrize(("n_clusters", "size"), [(60, 1), (40, 5), (100, 2)])
def test_intervals_of_a_mean_cover(n_clusters, size):
    """The number of distinct answers of eight cells, alike within a cluster."""
    rng = np.random.default_rng(11)
    cluster = np.repeat(np.arange(n_clusters), size)
    inside = 0
    for trial in range(500):
        chance = rng.beta(1, 2, n_clusters)[cluster]
        weights = resample_weights(n_clusters, 600, trial)
        found = bootstrap_intervals(
            1 + rng.binomial(7, chance), cluster, bounds=(1, 8), weights=weights
        )
        inside += found.low[0] <= 1 + 7 / 3 <= found.high[0]
    assert 0.93 <= inside / 500 <= 0.97
