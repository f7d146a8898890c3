"""How often a difference as large as the margin is called smaller, and how often none at all is.

Prints a table for docs/statistics.md. In brackets stand two other ways in which two outcomes are
called alike: Student's t with the standard error over clusters, and a p-value above 0.05.
"""

from __future__ import annotations

import argparse

import numpy as np
from clustered import COLUMNS, clusters, differences
from scipy import stats

from xtransplant.analysis.equivalence import equivalence_p
from xtransplant.analysis.intervals import Floats, Ints
from xtransplant.analysis.shares import difference_of_means
from xtransplant.analysis.significance import paired_test

SEED = 24
ALPHA = 0.05
DESIGNS = (
    *((50, "single", 0.0), (200, "single", 0.0), (1000, "single", 0.0)),
    *((50, "1 to 10", 0.3), (200, "1 to 10", 0.3)),
)
MARGINS = (0.02, 0.05)
LOST = (0.0, 0.05)
"""Shares of instances lost; the share gained is larger by the margin, or as large."""


def called_alike(
    n: int, kind: str, icc: float, gained: float, lost: float, margin: float, trials: int
) -> tuple[float, float, float]:
    """Return how often outcomes are called alike: by the report, by t, by a p-value above 0.05."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(trials // COLUMNS):
        cluster = clusters(rng, n, kind)
        drawn = differences(rng, cluster, gained, lost, icc)
        p = paired_test(drawn, cluster)[1]
        for column, nothing_found in zip(drawn.T, p > ALPHA, strict=True):
            report = equivalence_p(column, cluster, margin) <= ALPHA
            found.append((report, by_t(column, cluster, margin) <= ALPHA, nothing_found))
    report, t, nothing = np.mean(found, axis=0)
    return float(report), float(t), float(nothing)


def by_t(values: Floats, cluster: Ints, margin: float) -> float:
    """Return the p-value of two one-sided tests by Student's t; no deviation is no doubt."""
    estimate, error, n_clusters = difference_of_means(values, cluster)
    if not error:
        return float(abs(estimate) >= margin)
    return float(stats.t.sf((margin - abs(estimate)) / error, n_clusters - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print("| clusters | size | correlation | margin | lost | at the margin | no difference |")
    print("|--:|:--|--:|--:|--:|--:|--:|")
    for n, kind, icc in DESIGNS:
        for margin in MARGINS:
            for lost in LOST:
                shown = []
                for gained in (lost + margin, lost):
                    if not gained:
                        shown.append("-")
                        continue
                    found = called_alike(n, kind, icc, gained, lost, margin, trials)
                    report, t, nothing = (100 * share for share in found)
                    shown.append(f"{report:.1f} ({t:.1f}, {nothing:.1f})")
                print(f"| {n} | {kind} | {icc} | {margin} | {lost} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
