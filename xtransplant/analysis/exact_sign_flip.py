"""The paired permutation test over clusters, exact where the sums are whole numbers.

Under the null hypothesis the two outcomes of a cluster can be swapped, which changes the sign of
the cluster's sum of differences. Where the sums are whole multiples of one number, the distribution
of their total under all 2^C swaps is a product of C polynomials. Then no swaps need be drawn, and
the p-value has no floor (Pagano and Tritchler 1983, JASA 78, 435-440).
"""

from __future__ import annotations

import numpy as np

from xtransplant.analysis.intervals import Floats

N_FLIPS = 1_000_000
"""Random swaps where the sums are no whole numbers."""
MOST_STEPS = 20_000
"""Distinct totals on one side for which the distribution is still worked out."""
_CHUNK = 20_000


def sign_flip_p(sums: Floats, seed: int = 0) -> float:
    """Return the two-sided p-value of no difference.

    With single instances as clusters, which differ by -1, 0 or 1, it is McNemar's exact one.

    Args:
        sums: of the differences over each cluster, weighted where groups count alike, [C].
        seed: of the random swaps, where sums are no multiples of one number.
    """
    found = sums[np.abs(sums) > 1e-12]
    if not len(found):
        return 1.0
    steps = found / np.abs(found).min()
    whole = np.abs(steps - steps.round()) < 1e-9
    if whole.all() and np.abs(steps).sum() <= MOST_STEPS:
        return _exact(steps.round().astype(np.int64))
    return _drawn(found, seed)


def _exact(steps: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    total = int(np.abs(steps).sum())
    chances = np.zeros(2 * total + 1)  # of the totals -total..total
    chances[total] = 1.0
    for step in np.abs(steps):
        chances = (np.roll(chances, step) + np.roll(chances, -step)) / 2
    reached = np.abs(np.arange(-total, total + 1)) >= abs(int(steps.sum()))
    return float(min(1.0, chances[reached].sum()))


def _drawn(sums: Floats, seed: int) -> float:
    rng = np.random.default_rng(seed)
    observed, reached = abs(sums.sum()), 0
    for _ in range(N_FLIPS // _CHUNK):
        signs = rng.integers(0, 2, size=(_CHUNK, len(sums)), dtype=np.int8) * 2.0 - 1.0
        # Sums of the same terms in another order differ in their last bits.
        reached += int((np.abs(signs @ sums) >= observed - 1e-9).sum())
    return (1 + reached) / (1 + N_FLIPS)
