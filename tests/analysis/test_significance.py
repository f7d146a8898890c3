"""Tests beside hand calculation and statsmodels; p-values simulated."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from xtransplant.analysis.significance import corrected, max_t_test, mcnemar


def test_mcnemar_is_that_of_statsmodels():
    gained, lost = np.array([7, 0, 0, 12, 3]), np.array([1, 0, 6, 12, 9])
    wanted = [
        statsmodels_mcnemar([[50, g], [n, 20]], exact=True).pvalue
        for g, n in zip(gained, lost, strict=True)
    ]
    found = mcnemar(gained, lost)
    assert found == pytest.approx(wanted)
    assert found[0] == pytest.approx(2 * (1 + 8) / 2**8)
    assert found[1] == 1


def test_sign_flips_of_one_column_count_every_swap():
    # Clusters' sums are 2, 1, -1, 3; of 16 swaps three reach the 5 observed: 5, 5 and 7.
    differences = np.array([1, 1, 1, -1, 1, 1, 1])
    cluster = np.array([4, 4, 6, 7, 9, 9, 9])
    sums = [2, 1, -1, 3]
    swaps = [np.dot(signs, sums) for signs in itertools.product([-1, 1], repeat=4)]
    assert sum(swap >= 5 for swap in swaps) == 3
    greater = max_t_test(differences, cluster, "greater", n_permutations=40_000)
    both = max_t_test(differences, cluster, n_permutations=40_000)
    assert greater[0] == pytest.approx(3 / 16, abs=0.01)
    assert both[0] == pytest.approx(6 / 16, abs=0.01)


def test_best_of_many_columns_pays_for_their_number():
    rng = np.random.default_rng(5)
    noise = rng.integers(-1, 2, size=(80, 200)).astype(float)
    cluster = np.arange(80)
    together = max_t_test(noise, cluster, "greater")
    best = int(together.argmin())
    alone = max_t_test(noise[:, best], cluster, "greater")
    assert alone[0] < 0.01 < 0.2 < together[best]
    real = noise.copy()
    real[:, 7] = rng.random(80) < 0.5
    assert max_t_test(real, cluster, "greater")[7] < 0.001


@pytest.mark.parametrize("n_columns", [1, 40])
def test_p_values_of_nothing_are_uniform(n_columns):
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(40), 3)
    smallest = []
    for trial in range(400):
        baseline = rng.random((120, 1)) + rng.normal(0, 1, (40, 1))[cluster]
        cells = rng.random((120, n_columns)) + rng.normal(0, 1, (40, n_columns))[cluster]
        p = max_t_test(cells - baseline, cluster, "greater", seed=trial, n_permutations=400)
        smallest.append(p.min())
    assert stats.kstest(smallest, "uniform").pvalue > 0.01
    assert 0.03 <= np.mean(np.array(smallest) <= 0.05) <= 0.07


def test_corrections_by_hand():
    p = [0.01, 0.04, 0.03, 0.5]
    assert corrected(p, "holm") == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert corrected(p, "bh") == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert corrected([], "holm").tolist() == []
