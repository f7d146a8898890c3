"""The exact paired test against all swaps written out, and against McNemar's."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from xtransplant.analysis.exact_sign_flip import sign_flip_p


def by_all_swaps(sums: list[float]) -> float:
    totals = [
        abs(sum(s * d for s, d in zip(swap, sums, strict=True)))
        for swap in product((-1, 1), repeat=len(sums))
    ]
    return sum(total >= abs(sum(sums)) - 1e-9 for total in totals) / len(totals)


@pytest.mark.parametrize(
    "sums",
    [
        [1.0],
        [2, 3, -1, 4],
        [5, 5, 5, 5],
        [0, 0, 0],
        [1, -1],
        [0.5, 1.5, -0.5],
        [3, 0, -7, 2, 2, 1, 9],
    ],
)
def test_it_is_the_share_of_all_swaps(sums: list[float]) -> None:
    assert sign_flip_p(np.array(sums, float)) == pytest.approx(by_all_swaps(sums))


@pytest.mark.parametrize(("gained", "lost"), [(8, 1), (5, 0), (15, 0), (3, 3), (40, 22), (0, 0)])
def test_it_is_mcnemars_for_single_instances(gained: int, lost: int) -> None:
    sums = np.r_[np.ones(gained), -np.ones(lost), np.zeros(20)]
    n = gained + lost
    wanted = stats.binomtest(gained, n).pvalue if n else 1.0
    assert sign_flip_p(sums) == pytest.approx(wanted)


def test_it_has_no_floor() -> None:
    assert sign_flip_p(np.ones(60)) < 1e-14


def test_sums_that_are_no_multiples_are_swapped_at_random() -> None:
    sums = np.array([1.0, np.sqrt(2), -np.pi / 7, 2.2, np.e, -0.3])
    wanted = by_all_swaps(sums.tolist())
    assert sign_flip_p(sums) == pytest.approx(wanted, abs=4 * np.sqrt(wanted / 1_000_000))
