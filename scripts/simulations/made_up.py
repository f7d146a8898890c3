"""Made-up runs for the simulations: verdicts in which no cell is better than the baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.load import Run
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.run_identity import RunIdentity
from xtransplant.types import Cell

Bools = npt.NDArray[np.bool_]

ACCURACY = 0.4
KEPT = 0.5
"""How often a cell keeps the verdict of the baseline; it is drawn anew elsewhere."""


def null_verdicts(rng: np.random.Generator, n: int, n_cells: int) -> tuple[Bools, Bools]:
    """Return verdicts of a baseline, [I], and of cells that are as good as it, [I, V]."""
    baseline = rng.random(n) < ACCURACY
    kept = rng.random((n, n_cells), dtype=np.float32) < KEPT
    anew = rng.random((n, n_cells), dtype=np.float32) < ACCURACY
    return baseline, np.where(kept, baseline[:, None], anew)


def made_up_run(
    baseline: Bools, correct: Bools, n_languages: int = 1, split: str = "dev", first: int = 0
) -> Outcomes:
    """Return verdicts as a run.

    Args:
        baseline: verdicts on the baseline, one language after the other, [I].
        correct: verdicts on the cells, [I, V].
        n_languages: number of languages; the same questions come in each.
        split: name of the split.
        first: number of the first question.
    """
    n = len(baseline) // n_languages
    questions = np.tile([f"q{first + number}" for number in range(n)], n_languages)
    language = np.repeat([f"l{number}" for number in range(n_languages)], n)
    cells = tuple(Cell(number, 0) for number in range(correct.shape[1]))
    identity = RunIdentity(task="none", model="none", module="mlp", split=split, cells=cells)
    nothing = np.zeros(len(baseline), dtype=np.int64)
    return Outcomes(
        run=Run(RunFolder(Path(split), split), identity),
        cost=None,
        language=language,
        instance=questions,
        cluster=questions,
        content=np.char.add(language, questions),
        source=questions,
        baseline=baseline,
        correct=correct,
        baseline_unparsable=nothing.astype(bool),
        n_unparsable=nothing,
        n_distinct=nothing,
        baseline_tokens=nothing,
        cell_tokens=nothing,
        baseline_cut_off=nothing.astype(bool),
        n_cut_off=nothing,
        gold=questions,
        drawn_gold=questions,
        category=np.full(len(questions), ""),
    )
