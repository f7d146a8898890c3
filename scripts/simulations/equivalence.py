"""How often a difference as large as the margin is called smaller, and how often none at all is.

Prints a table for docs/statistics.md. In brackets stand three other ways in which two outcomes are
called alike: by the 90 % interval, by Student's t with the standard error over clusters, and by a
p-value above 0.05.
"""

from __future__ import annotations

import argparse

import numpy as np
from clustered import COLUMNS, clusters, differences
from scipy import stats

from xtransplant.analysis.equivalence import inside
from xtransplant.analysis.intervals import Floats, Ints
from xtransplant.analysis.shares import DifferenceSample, difference_of_means
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
) -> tuple[float, ...]:
    """Return how often outcomes are called alike: by the report, then as in brackets."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(trials // COLUMNS):
        cluster = clusters(rng, n, kind)
        drawn = differences(rng, cluster, gained, lost, icc)
        sample = DifferenceSample.of(drawn, cluster)
        # As in a report, where p_equivalent is at most 0.05 if the 95 % interval fits.
        alike = [inside(sample.interval(tail), margin) for tail in (ALPHA / 2, ALPHA)]
        t = [by_t(column, cluster, margin) <= ALPHA for column in drawn.T]
        found.append([*alike, t, paired_test(drawn, cluster)[1] > ALPHA])
    return tuple(np.mean(found, axis=(0, 2)).tolist())


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
                    report, *others = (f"{100 * share:.1f}" for share in found)
                    shown.append(f"{report} ({', '.join(others)})")
                print(f"| {n} | {kind} | {icc} | {margin} | {lost} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
