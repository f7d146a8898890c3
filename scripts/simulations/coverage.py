"""How often intervals of shares and of paired differences contain the truth.

Prints two tables for docs/statistics.md. The number in brackets is that of the bootstrap interval,
which earlier reports used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from clustered import COLUMNS, chances, clusters

from xtransplant.analysis.intervals import Intervals, bootstrap_intervals
from xtransplant.analysis.shares import difference_intervals, share_intervals
from xtransplant.analysis.significance import paired_test

SEED = 22
CLUSTERS = (10, 30, 50, 200)
SHARES = (0.02, 0.1, 0.5, 0.9, 0.98)
GAINS = ((0.02, 0.02), (0.04, 0.0), (0.1, 0.02), (0.3, 0.1), (0.5, 0.0))
"""Shares of instances gained and lost."""


def share_coverage(n: int, kind: str, icc: float, share: float, trials: int) -> tuple[float, float]:
    """Return the coverage of the report's interval, and of the bootstrap's."""

    def draw(rng: np.random.Generator) -> tuple[Intervals, Intervals]:
        cluster = clusters(rng, n, kind)
        chance = chances(rng, cluster, share, icc)
        right = (rng.random(chance.shape) < chance).astype(float)
        return share_intervals(right, cluster), bootstrap_intervals(right, cluster)

    return _coverage(draw, share, trials)


def difference_coverage(
    n: int, kind: str, icc: float, gain_loss: tuple[float, float], trials: int
) -> tuple[float, float]:
    """Return the coverage of the report's interval, and of the bootstrap's."""
    gain, loss = gain_loss

    def draw(rng: np.random.Generator) -> tuple[Intervals, Intervals]:
        cluster = clusters(rng, n, kind)
        # A share of the instances differs, alike within a cluster; the rest is chance.
        differs = rng.random((len(cluster), COLUMNS)) < chances(rng, cluster, gain + loss, icc)
        gained = rng.random(differs.shape) < gain / (gain + loss)
        differences = np.where(differs, np.where(gained, 1.0, -1.0), 0.0)
        p = paired_test(differences, cluster)[1]
        found = difference_intervals(differences, cluster, p)
        return found, bootstrap_intervals(differences, cluster, bounds=(-1, 1))

    return _coverage(draw, gain - loss, trials)


def _coverage(
    draw: Callable[[np.random.Generator], tuple[Intervals, Intervals]], truth: float, trials: int
) -> tuple[float, float]:
    rng = np.random.default_rng(SEED)
    held = [
        [(one.low <= truth + 1e-12) & (truth - 1e-12 <= one.high) for one in draw(rng)]
        for _ in range(trials // COLUMNS)
    ]
    now, before = np.mean(held, axis=(0, 2))
    return float(now), float(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    tables: list[tuple[str, Sequence[Any], Callable[..., tuple[float, float]]]] = [
        ("share", SHARES, share_coverage),
        ("gained, lost", GAINS, difference_coverage),
    ]
    for heading, columns, coverage in tables:
        names = [str(column) for column in columns]
        print(f"\n| clusters | size | correlation | {heading}: {' | '.join(names)} |")
        print("|--:|:--|--:|" + "--:|" * len(names))
        for n in CLUSTERS:
            for kind, icc in (("single", 0.0), ("1 to 10", 0.0), ("1 to 10", 0.3)):
                found = [coverage(n, kind, icc, column, trials) for column in columns]
                shown = " | ".join(f"{100 * now:.1f} ({100 * was:.1f})" for now, was in found)
                print(f"| {n} | {kind} | {icc} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
