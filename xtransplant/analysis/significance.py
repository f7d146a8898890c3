"""Paired tests over clusters of instances, and corrections for many tests; arrays in, arrays out.

Instances of a cluster are not independent, so permutations swap whole clusters, the same ones for
all columns. Shapes: I instances, C clusters, V columns such as the cells of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats
from statsmodels.stats.multitest import multipletests

from xtransplant.analysis.exact_sign_flip import sign_flip_p
from xtransplant.analysis.intervals import Floats, Ints, cluster_sums

N_PERMUTATIONS = 5000
CORRECTIONS: dict[str, str] = {"holm": "holm", "bh": "fdr_bh"}
"""Corrections, with their names in statsmodels."""


def mcnemar(n_gained: npt.ArrayLike, n_lost: npt.ArrayLike) -> Floats:
    """Return the two-sided p-value of McNemar's exact test, for each pair of counts.

    The test is valid for independent instances; for clustered ones use `sign_flip_p`.
    """
    gained, lost = np.asarray(n_gained), np.asarray(n_lost)
    p: Floats = 2 * stats.binom.cdf(np.minimum(gained, lost), gained + lost, 0.5)
    return np.minimum(p, 1.0)


def max_t_test(
    differences: npt.ArrayLike,
    cluster: Ints,
    alternative: Literal["two-sided", "greater"] = "two-sided",
    seed: int = 0,
    n_permutations: int = N_PERMUTATIONS,
) -> Floats:
    """Return each column's p-value by permutation, corrected for the best of all columns (max-T).

    Under the null hypothesis, the outcomes with and without the transplant can be swapped for whole
    clusters. A swap changes the sign of the cluster's differences in all columns at once. The
    statistic of a column is its sum, divided by the root of the sum of squares over clusters, which
    no swap changes. The p-value is the share of swaps whose largest statistic is at least as large
    (Westfall and Young 1993). With one column this is the plain paired permutation test. With many
    columns, the smallest p-value is that of the best cell of a grid.

    Args:
        differences: outcome of a cell minus outcome of the baseline, [I] or [I, V].
        cluster: cluster of each instance, 0..C-1.
        alternative: alternative hypothesis; "greater" tests only for gains.
        seed: seed of the random swaps.
        n_permutations: number of swaps; the p-value is at least 1 / (n_permutations + 1).
    """
    columns = np.asarray(differences, dtype=np.float64).reshape(len(cluster), -1)
    _, codes = np.unique(cluster, return_inverse=True)
    sums = cluster_sums(columns, codes.astype(np.int64), int(codes.max()) + 1)
    norm = np.sqrt((sums**2).sum(0))
    scaled = np.divide(sums, norm, out=np.zeros_like(sums), where=norm > 0)
    observed = scaled.sum(0)
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.array([-1.0, 1.0]), size=(n_permutations, len(sums)))
    permuted = signs @ scaled
    if alternative == "two-sided":
        observed, permuted = np.abs(observed), np.abs(permuted)
    # A tolerance, because sums of the same terms in another order differ in their last bits.
    reached = (permuted.max(1, keepdims=True) >= observed - 1e-9).sum(0)
    return np.asarray((1 + reached) / (1 + n_permutations), dtype=np.float64)


def paired_test(
    differences: npt.ArrayLike, cluster: Ints, weights: Floats | None = None
) -> tuple[str, Floats]:
    """Return the name of the two-sided test, and each column's uncorrected p-value.

    If every instance is its own cluster and all have equal weight, the test is McNemar's exact
    test, otherwise `sign_flip_p`.

    Args:
        differences: one outcome minus another, [I] or [I, V].
        cluster: cluster of each instance.
        weights: weights of the instances, [I]; None if they are equal.
    """
    columns = np.asarray(differences, dtype=np.float64).reshape(len(cluster), -1)
    names, codes = np.unique(cluster, return_inverse=True)
    outcomes = bool(np.isin(columns, (-1, 0, 1)).all())
    if len(names) == len(cluster) and weights is None and outcomes:
        return "mcnemar", mcnemar((columns > 0).sum(0), (columns < 0).sum(0))
    weighted = columns if weights is None else columns * weights[:, None]
    return "sign_flip", sign_flip_p(cluster_sums(weighted, codes.astype(np.int64), len(names)))


def corrected(p: Sequence[float] | Floats, method: Literal["holm", "bh"]) -> Floats:
    """Return p-values corrected for multiple tests, by Holm or by Benjamini and Hochberg ("bh")."""
    if len(p) == 0:
        return np.zeros(0)
    return np.asarray(multipletests(p, method=CORRECTIONS[method])[1], dtype=np.float64)
