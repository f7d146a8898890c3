"""The expected upper bound of a smaller grid: of K random cells."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

from xtransplant.analysis.intervals import Floats, Ints
from xtransplant.analysis.outcomes import Outcomes


def expected_upper_bound(n_cells: Ints, n_correct: Ints, tries: Ints) -> Floats:
    """Return each instance's probability that at least one of K random cells is right.

    Cells are drawn without replacement, so the probability is 1 minus the hypergeometric
    probability that none is right. Its mean over instances is the expected upper bound of a grid of
    K cells.

    Args:
        n_cells: number of cells of each instance, [I].
        n_correct: number of right cells of each instance, [I].
        tries: numbers K of cells, [V], at most the smallest of `n_cells`.

    Returns:
        Probabilities, [I, V].
    """
    none_right = stats.hypergeom.pmf(0, n_cells[:, None], n_correct[:, None], tries[None, :])
    return np.asarray(1.0 - none_right, dtype=np.float64)


def of_tries(run: Outcomes, tries: Ints) -> Floats:
    """Return what `expected_upper_bound` does for the instances of a run, [I, V]."""
    by_number = _by_number_right(len(run.cells), tuple(tries.tolist()))
    return np.asarray(by_number[run.correct.sum(1)])


@lru_cache(maxsize=8)
def _by_number_right(n_cells: int, tries: tuple[int, ...]) -> Floats:
    """Return the probabilities of instances with 0, 1, … right cells, [n_cells + 1, V]."""
    n_right = np.arange(n_cells + 1)
    return expected_upper_bound(np.full(n_cells + 1, n_cells), n_right, np.array(tries))
