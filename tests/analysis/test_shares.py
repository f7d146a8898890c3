"""Intervals of shares and differences: against scipy, by simulation, and beside their test."""

import numpy as np
import pytest
from scipy import stats

from xtransplant.analysis.intervals import Intervals
from xtransplant.analysis.shares import agreeing, difference_intervals, share_intervals
from xtransplant.analysis.significance import mcnemar

LEAST = 0.935
"""The coverage that is promised; the simulations here are small, so they allow for their error."""


@pytest.mark.parametrize(("right", "n"), [(0, 50), (1, 50), (25, 50), (49, 50), (50, 50), (3, 7)])
def test_single_instances_have_clopper_and_pearsons_interval(right: int, n: int) -> None:
    found = share_intervals(np.arange(n) < right, np.arange(n))
    wanted = stats.binomtest(right, n).proportion_ci(method="exact")
    assert (found.low[0], found.high[0]) == pytest.approx((wanted.low, wanted.high))
    assert (found.n, found.n_clusters) == (n, n)


def test_the_interval_grows_with_the_count() -> None:
    ends = [share_intervals(np.arange(50) < right, np.arange(50)) for right in range(51)]
    assert (np.diff([one.low[0] for one in ends]) > 0).all()
    assert (np.diff([one.high[0] for one in ends]) > 0).all()


def test_copies_of_an_instance_in_its_cluster_add_nothing() -> None:
    right, cluster = np.arange(20) < 7, np.arange(20)
    once = share_intervals(right, cluster)
    thrice = share_intervals(np.repeat(right, 3), np.repeat(cluster, 3))
    # The variance is the same; only the size that counts for Student's t differs.
    assert thrice.low[0] == pytest.approx(once.low[0], abs=0.02)
    assert thrice.high[0] == pytest.approx(once.high[0], abs=0.02)
    apart = share_intervals(np.repeat(right, 3), np.arange(60))
    assert apart.high[0] - apart.low[0] < 0.7 * (once.high[0] - once.low[0])


def test_a_macro_average_weighs_its_groups_alike() -> None:
    group = np.repeat([0, 1], [10, 40])
    right = np.r_[np.ones(10), np.zeros(40)] > 0
    assert share_intervals(right, np.arange(50), group).estimate[0] == pytest.approx(0.5)
    assert share_intervals(right, np.arange(50)).estimate[0] == pytest.approx(0.2)


def clusters(rng: np.random.Generator, n: int, *, equal: bool) -> np.ndarray:
    sizes = np.ones(n, int) if equal else rng.integers(1, 11, size=n)
    return np.repeat(np.arange(n), sizes)


def outcomes(rng: np.random.Generator, cluster: np.ndarray, p: float, icc: float) -> np.ndarray:
    n = int(cluster.max()) + 1
    chance = rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), n) if icc else np.full(n, p)
    return rng.random(len(cluster)) < chance[cluster]


CORRELATED = [(n, False, icc) for n in (10, 50, 200) for icc in (0.0, 0.3)]
SINGLE = (50, True, 0.0)
"""Single instances have no correlation within their cluster."""


@pytest.mark.parametrize("p", [0.02, 0.5, 0.98])
@pytest.mark.parametrize(("n", "equal", "icc"), [*CORRELATED, SINGLE])
def test_a_share_is_covered(n: int, equal: bool, p: float, icc: float) -> None:
    rng = np.random.default_rng(7)
    found = []
    for _ in range(600):
        cluster = clusters(rng, n, equal=equal)
        one = share_intervals(outcomes(rng, cluster, p, icc), cluster)
        found.append(one.low[0] <= p <= one.high[0])
    assert np.mean(found) >= LEAST - 2 * np.sqrt(0.05 * 0.95 / 600)


@pytest.mark.parametrize(("gain", "loss"), [(0.04, 0.0), (0.3, 0.1), (0.02, 0.02)])
@pytest.mark.parametrize(("n", "equal"), [(30, False), (100, True)])
def test_a_difference_is_covered(n: int, equal: bool, gain: float, loss: float) -> None:
    rng = np.random.default_rng(8)
    found = []
    for _ in range(600):
        cluster = clusters(rng, n, equal=equal)
        kind = rng.random(len(cluster))
        differences = (kind < gain) * 1.0 - (kind > 1 - loss)
        p = mcnemar((differences > 0).sum(), (differences < 0).sum())
        one = difference_intervals(differences, cluster, np.atleast_1d(p))
        found.append(one.low[0] <= gain - loss <= one.high[0])
    assert np.mean(found) >= LEAST - 2 * np.sqrt(0.05 * 0.95 / 600)


@pytest.mark.parametrize("lost", range(4))
@pytest.mark.parametrize("gained", range(14))
def test_interval_and_p_value_agree_about_zero(gained: int, lost: int) -> None:
    differences = np.r_[np.ones(gained), -np.ones(lost), np.zeros(60)]
    p = mcnemar([gained], [lost])
    one = difference_intervals(differences, np.arange(len(differences)), p)
    assert (one.low[0] <= 0 <= one.high[0]) == (p[0] > 0.05)
    assert one.low[0] <= one.estimate[0] <= one.high[0]


@pytest.mark.parametrize(
    ("estimate", "low", "high", "p", "holds_zero"),
    [
        (0.1, -0.01, 0.2, 0.04, False),
        (0.1, 0.01, 0.2, 0.06, True),
        (-0.1, -0.2, 0.01, 0.04, False),
        (-0.1, -0.2, -0.01, 0.06, True),
        (0.1, 0.05, 0.2, 0.04, False),
    ],
)
def test_the_test_decides_about_zero(
    estimate: float, low: float, high: float, p: float, holds_zero: bool
) -> None:
    found = agreeing(
        Intervals(*(np.array([x]) for x in (estimate, low, high)), 9, 9), np.array([p])
    )
    assert (found.low[0] <= 0 <= found.high[0]) == holds_zero
    # The end on the side of the estimate stays.
    assert (found.high[0], found.low[0])[estimate < 0] == (high, low)[estimate < 0]
