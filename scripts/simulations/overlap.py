"""A sample of 50 selects among cells that are no better than the baseline; all instances judge.

Prints a table for docs/statistics.md. "All" judges all instances, as earlier reports did; "left"
is what a report prints: the instances that did not select.
"""

from __future__ import annotations

import argparse

import numpy as np
from made_up import made_up_run, null_verdicts

from xtransplant.analysis.judged import chosen_cells, verdicts
from xtransplant.analysis.judged_by_run import judged_by_run
from xtransplant.analysis.study import Study

SEED = 21
SAMPLE = 50
SIZES = (100, 200, 500)
N_CELLS = 1024


def gains(n: int, seed: int) -> tuple[float, float, int]:
    """Return the gain over all instances and over those left, and the number dropped."""
    rng = np.random.default_rng([SEED, n, seed])
    baseline, correct = null_verdicts(rng, n, N_CELLS)
    everything = made_up_run(baseline, correct, split="all")
    sample = made_up_run(baseline[:SAMPLE], correct[:SAMPLE], split="sample")
    cells = chosen_cells(sample, "overall", pooled=False)
    of_all = verdicts(everything, cells).mean() - baseline.mean()
    judged = judged_by_run(Study([sample, everything]), everything)
    (pair,) = (one for one in judged if (one.strategy, one.chosen) == ("overall", "per language"))
    assert pair.gain
    return float(of_all), float(pair.gain[0].estimate[0]), pair.n_dropped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    print("| instances | dropped | gain of all, points | gain of those left, points |")
    print("|--:|--:|--:|--:|")
    for n in SIZES:
        of_all, left, dropped = np.mean([gains(n, trial) for trial in range(trials)], axis=0)
        print(f"| {n} | {dropped:.0f} | {100 * of_all:+.1f} | {100 * left:+.1f} |", flush=True)


if __name__ == "__main__":
    main()
