"""The layout of a step, against a plain restatement of the rule and a case worked out by hand."""

import numpy as np
import pytest

from xtransplant.engine.layout import StepLayout


def test_by_hand() -> None:
    # Five rows that leave the trunk at layers 1 1 2 3 4 (the last two never, as N is 3); after some
    # tokens rows 1, 2, 4 share a history.
    layout = StepLayout.of(np.array([1, 1, 2, 3, 4]), np.array([5, 9, 9, 7, 9]), n_layers=3)
    # Deepest rows: history 5 -> row 0, 7 -> row 3, 9 -> row 4.
    assert layout.rows(-1).tolist() == [0, 3, 4]
    assert layout.rows(0).tolist() == [0, 3, 4]
    assert layout.rows(1).tolist() == [0, 1, 3, 4]
    assert layout.rows(2).tolist() == [0, 1, 2, 3, 4]
    assert layout.slots(0, np.arange(5)).tolist() == [0, 2, 2, 1, 2]
    assert layout.slots(1, np.arange(5)).tolist() == [0, 1, 3, 2, 3]


def test_rows_of_one_history_share_a_trunk_until_each_leaves() -> None:
    layout = StepLayout.of(np.array([0, 2, 2]), np.zeros(3, np.int64), n_layers=3)
    assert [layout.rows(layer).tolist() for layer in range(-1, 3)] == [
        [2],
        [0, 2],
        [0, 2],
        [0, 1, 2],
    ]


@pytest.mark.parametrize("n_histories", [1, 4])
@pytest.mark.parametrize("seed", range(20))
def test_every_row_finds_a_computed_row_that_is_its_own_or_its_history(
    seed: int, n_histories: int
) -> None:
    rng = np.random.default_rng(seed)
    n_layers, n_rows = 6, 25
    leaves = np.sort(rng.integers(0, n_layers + 2, n_rows))
    history = 3 * rng.integers(0, n_histories, n_rows)
    layout = StepLayout.of(leaves, history, n_layers)
    for layer in range(n_layers):
        own = leaves <= layer
        rows = layout.rows(layer)
        expected = own.sum() + len(set(history[~own]))
        assert len(rows) == expected, "no more and no fewer rows than the rule asks for"
        for row, slot in enumerate(layout.slots(layer, np.arange(n_rows))):
            if own[row]:
                assert rows[slot] == row
            else:
                assert history[rows[slot]] == history[row] and not own[rows[slot]]
