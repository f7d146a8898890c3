"""Made-up clusters of instances, for the simulations of intervals and tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

KINDS = {"single": (1, 1), "1 to 10": (1, 10)}
"""Smallest and largest size of clusters."""
COLUMNS = 50
"""Trials that share the sizes of their clusters."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def clusters(rng: np.random.Generator, n: int, kind: str) -> Ints:
    """Return the cluster of each instance, of n clusters, [I]."""
    least, most = KINDS[kind]
    return np.repeat(np.arange(n), rng.integers(least, most + 1, size=n))


def chances(rng: np.random.Generator, cluster: Ints, share: float, icc: float) -> Floats:
    """Return the chance of each instance in each trial, alike within a cluster, [I, COLUMNS]."""
    n = int(cluster.max()) + 1
    if not icc or share in (0, 1):
        return np.full((len(cluster), COLUMNS), share)
    odds = 1 / icc - 1
    return rng.beta(share * odds, (1 - share) * odds, size=(n, COLUMNS))[cluster]


def differences(
    rng: np.random.Generator, cluster: Ints, gained: float, lost: float, icc: float
) -> Floats:
    """Return what each instance gains or loses in each trial, alike in a cluster, [I, COLUMNS]."""
    differs = rng.random((len(cluster), COLUMNS)) < chances(rng, cluster, gained + lost, icc)
    gains = rng.random(differs.shape) < chances(rng, cluster, gained / (gained + lost), icc)
    return np.where(differs, np.where(gains, 1.0, -1.0), 0.0)
