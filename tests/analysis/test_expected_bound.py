"""The expected upper bound beside every draw, counted."""

import itertools

import numpy as np
import pytest

from xtransplant.analysis.expected_bound import expected_upper_bound


def test_it_counts_every_draw():
    n_cells, n_correct = np.array([6, 6, 6, 6]), np.array([0, 1, 3, 6])
    tries = np.arange(1, 7)
    draws = {k: list(itertools.combinations(range(6), k)) for k in tries}
    wanted = [[np.mean([min(d) < right for d in draws[k]]) for k in tries] for right in n_correct]
    assert expected_upper_bound(n_cells, n_correct, tries) == pytest.approx(np.array(wanted))
