"""Pairs selected on other folds if no cell is better than the baseline: coverage and level.

Prints a table for docs/statistics.md. "Given" takes the selected cells as given, as earlier
reports did; "refitted" is what a report prints.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from made_up import made_up_run, null_verdicts

from xtransplant.analysis.contrasts import MACRO, Contrast, difference
from xtransplant.analysis.judged_by_folds import judged_by_folds
from xtransplant.analysis.study import Study

SEED = 20
SIZES = (50, 200, 500)
CELLS = (256, 1024)
N_LANGUAGES = (1, 5)
N_REFITS = 200
"""Resamples of each made-up run; a report has more, so its p-values are steadier."""


def verdicts(n: int, n_cells: int, n_languages: int, seed: int) -> Iterator[tuple[str, Contrast]]:
    """Yield the gain of each kind of row of one made-up run, by method."""
    rng = np.random.default_rng([SEED, n, n_cells, n_languages, seed])
    run = made_up_run(*null_verdicts(rng, n * n_languages, n_cells), n_languages)
    choices = [("overall", pooled) for pooled in ((False, True) if n_languages > 1 else (False,))]
    for pair in judged_by_folds(Study([run]), run, choices, N_REFITS):
        row = "macro" if pair.scope.label == MACRO else "language"
        if (row == "language" and pair.scope.label != "l0") or pair.scope.label.startswith("micro"):
            continue
        given = difference(pair.scope, pair.correct, pair.scope.outcomes.baseline)
        assert pair.gain
        yield f"{pair.chosen} | {row} | refitted", pair.gain
        yield f"{pair.chosen} | {row} | given", given


def rates(n: int, n_cells: int, n_languages: int, trials: int) -> dict[str, tuple[float, ...]]:
    """Return, by kind of row and method, the mean gain, coverage of no gain, and level."""
    found: dict[str, list[tuple[float, bool, bool]]] = defaultdict(list)
    for trial in range(trials):
        for name, (interval, _, p) in verdicts(n, n_cells, n_languages, trial):
            inside = interval.low[0] <= 0 <= interval.high[0]
            found[name].append((float(interval.estimate[0]), bool(inside), bool(p[0] <= 0.05)))
    return {name: tuple(np.mean(each, axis=0)) for name, each in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--languages", type=int, nargs="+", default=N_LANGUAGES)
    given = parser.parse_args()
    print("| n | cells | languages | pair | row | coverage % (given) | level % (given) |")
    print("|--:|--:|--:|:--|:--|--:|--:|")
    for n_languages in given.languages:
        for n in SIZES:
            for n_cells in CELLS:
                found = rates(n, n_cells, n_languages, given.trials)
                for row in dict.fromkeys(name.rpartition(" | ")[0] for name in found):
                    figures = (
                        f"{100 * now:.1f} ({100 * was:.1f})"
                        for now, was in zip(
                            found[f"{row} | refitted"][1:], found[f"{row} | given"][1:], strict=True
                        )
                    )
                    shown = " | ".join([row, *figures])
                    print(f"| {n} | {n_cells} | {n_languages} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
