"""The paired permutation test over clusters, exact if the sums are multiples of one number.

Under the null hypothesis, the two outcomes of a cluster can be swapped, which changes the sign of
the cluster's sum of differences. If the sums are whole multiples of one number, the distribution of
their total under all 2^C swaps is a convolution of C two-point distributions. Then swaps need not
be drawn, and the p-value has no lower limit (Pagano and Tritchler 1983, JASA 78, 435-440).

Shapes: C clusters, V columns such as the cells of a grid.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt
from scipy import fft

from xtransplant.analysis.intervals import Floats, Ints

N_FLIPS = 1_000_000
"""Number of random swaps, over all columns, if the sums are not multiples of one number."""
LEAST_FLIPS = 5_000
"""Minimum number of random swaps of each column."""
MOST_STEPS = 20_000
"""Largest total, in multiples, for which the exact distribution is computed."""
_BLOCK = 2_000_000  # numbers in memory at once


def sign_flip_p(sums: npt.ArrayLike, seed: int = 0) -> Floats:
    """Return the two-sided p-value of no difference of each column, [V].

    If clusters are single instances with differences -1, 0 or 1, it is McNemar's exact p-value.
    Exact values below 1e-14 have rounding errors of about their own size.

    Args:
        sums: sums of the (possibly weighted) differences over each cluster, [C] or [C, V].
        seed: seed of the random swaps, which are drawn if the sums are not multiples of one number.
    """
    columns = np.asarray(sums, dtype=np.float64)
    columns = columns.reshape(len(columns), -1)
    steps = [_steps(column) for column in columns.T]
    exact = [place for place, found in enumerate(steps) if found is not None]
    others = [place for place, found in enumerate(steps) if found is None]
    p = np.ones(len(steps))
    if exact:
        p[exact] = _exact([found for found in steps if found is not None])
    if others:
        p[others] = _drawn(columns[:, others], seed)
    return p


def _steps(sums: Floats) -> Ints | None:
    """Return sums as multiples of one number, without zeros; None if there is no such number."""
    found = sums[np.abs(sums) > 1e-12]
    if not len(found):
        return np.zeros(0, dtype=np.int64)
    sizes = np.unique(np.abs(found))
    unit = reduce(lambda one, other: _divisor(one, other, 1e-9 * sizes[-1]), sizes.tolist())
    # Checked before rounding: without a common divisor, the ratio can be huge.
    if np.abs(found).sum() / unit > MOST_STEPS:
        return None
    return np.asarray((found / unit).round().astype(np.int64))


def _divisor(one: float, other: float, tolerance: float) -> float:
    """Return the largest number that divides both, by Euclid's algorithm with rounding."""
    while other > tolerance:
        one, other = other, abs(one - other * round(one / other))
    return one


def _exact(columns: list[Ints]) -> Floats:
    """Return the share of all swaps whose total is at least as far from zero, [V].

    The characteristic function of a total is the product of the cosines of its steps.
    """
    size = fft.next_fast_len(2 * max(int(np.abs(one).sum()) for one in columns) + 2, real=True)
    distinct = np.unique(np.concatenate([np.abs(one) for one in columns]))
    counts = np.array([[(np.abs(one) == step).sum() for step in distinct] for one in columns])
    angles = np.outer(distinct, np.arange(size // 2 + 1)) % size * (2 * np.pi / size)
    cosines = np.cos(angles)
    logarithms, negative = np.log(np.abs(cosines).clip(1e-300)), (cosines < 0).astype(np.float64)
    totals = np.minimum(np.arange(size), size - np.arange(size))  # distance from zero, modulo size
    p = np.zeros(len(columns))
    for start in range(0, len(columns), max(1, _BLOCK // size)):
        some = slice(start, start + max(1, _BLOCK // size))
        sign = 1 - 2 * ((counts[some] @ negative) % 2)
        chances = fft.irfft(sign * np.exp(counts[some] @ logarithms), size, axis=1)
        observed = np.array([abs(int(one.sum())) for one in columns[some]])
        p[some] = (chances * (totals >= observed[:, None])).sum(1)
    # At least the two swaps with all signs equal reach the largest possible total.
    return np.clip(p, [min(1.0, 2 * 0.5 ** len(one)) for one in columns], 1.0)


def _drawn(columns: Floats, seed: int) -> Floats:
    """Return the share of random swaps whose total is at least as far from zero, [V].

    Clusters are swapped eight at a time: a random byte chooses one of the 256 totals of eight.
    """
    n_flips = max(LEAST_FLIPS, N_FLIPS // columns.shape[1])
    rng = np.random.default_rng(seed)
    scaled = (columns / np.abs(columns).sum(0))[columns.any(1)]
    eights = np.pad(scaled, ((0, -len(scaled) % 8), (0, 0))).reshape(-1, 8, columns.shape[1])
    signs = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1) * 2.0 - 1.0
    totals_of_eights = signs @ eights
    # A tolerance, because sums of the same terms in another order differ in their last bits.
    observed = np.abs(scaled.sum(0)) - 1e-9
    reached = np.zeros(columns.shape[1], dtype=np.int64)
    left = n_flips
    while left:
        chunk = min(left, max(1, _BLOCK // 20 // columns.shape[1]))
        totals = np.zeros((chunk, columns.shape[1]))
        for of_eight in totals_of_eights:
            totals += of_eight[rng.integers(0, 256, size=chunk, dtype=np.uint8)]
        reached += (np.abs(totals) >= observed).sum(0)
        left -= chunk
    return np.asarray((1 + reached) / (1 + n_flips))
