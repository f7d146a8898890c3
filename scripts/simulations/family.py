"""How often T0 decides anything where no cell is better than the baseline or a control.

Prints a table for docs/statistics.md. In brackets: the same six contrasts without Holm's
correction, and a family for each module of which the better one is reported.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from made_up import Bools, made_up_run, null_verdicts

from xtransplant.analysis import primary_family
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study
from xtransplant.reporting.t0_primary import T0
from xtransplant.reporting.table import Record, StudyRows

SEED = 26
SIZES = (50, 200)
MODULES = ("attn", "mlp")
CONTROLS = ("none", "mean", "random_instance")
N_SELECTING = 50
N_LANGUAGES = 3
N_CELLS = 64
ALPHA = 0.05


def study(n: int, trial: int) -> Study:
    """Return a made-up study in which nothing is better than anything else."""
    rng = np.random.default_rng([SEED, n, trial])
    runs = []
    for split, size, first, controls in (
        ("dev", N_SELECTING, 0, ("none",)),
        ("test", n, N_SELECTING, CONTROLS),
    ):
        baseline, _ = null_verdicts(rng, size * N_LANGUAGES, 1)
        for module in MODULES:
            for control in controls:
                runs.append(_run(_cells(rng, baseline), baseline, split, first, module, control))
        if split == "test":
            tries = _cells(rng, baseline)
            runs.append(_run(tries, baseline, split, first, "untouched", "samples"))
    return Study(runs)


def _cells(rng: np.random.Generator, baseline: Bools) -> Bools:
    kept = rng.random((len(baseline), N_CELLS)) < 0.5
    return np.where(kept, baseline[:, None], null_verdicts(rng, len(baseline), N_CELLS)[1])


def _run(
    correct: Bools, baseline: Bools, split: str, first: int, module: str, control: str
) -> Outcomes:
    run = made_up_run(baseline, correct, N_LANGUAGES, split, first)
    changes = {"module": module, "control": control, "splits": ("dev", "test")}
    return replace(run, run=replace(run.run, identity=replace(run.identity, **changes)))


def rows(given: Study) -> Sequence[Record]:
    """Return T0; the vote, whose answers a made-up run does not have, is that of one cell."""
    with patch.object(primary_family, "voted", lambda left, _: left.correct[:, -1]):
        return StudyRows(given).of(T0)


def decided(n: int, trial: int) -> tuple[bool, bool, bool]:
    """Return whether anything is found: in T0, without Holm, in the better of two families."""
    given = study(n, trial)
    family = rows(given)
    (other,) = set(MODULES) - {row["module"] for row in family}
    better = [*family, *rows(_only(given, other))]
    return _any(family, "p_holm"), _any(family, "p"), _any(better, "p_holm")


def _only(given: Study, module: str) -> Study:
    """Return a study without the other module."""
    kept = (module, "untouched")
    return Study([one for one in given.outcomes if one.identity.module in kept])


def _any(family: Sequence[Record], name: str) -> bool:
    return any(row[name] is not None and row[name] <= ALPHA for row in family)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    trials = parser.parse_args().trials
    gc.freeze()  # statsmodels collects garbage at each correction
    print("| judged instances a language | T0 | (without Holm) | (the better module) |")
    print("|--:|--:|--:|--:|")
    for n in SIZES:
        found = np.mean([decided(n, trial) for trial in range(trials)], axis=0)
        print(f"| {n} | {' | '.join(f'{100 * share:.1f}' for share in found)} |")


if __name__ == "__main__":
    main()
