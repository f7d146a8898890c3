"""The layout of a step, against a plain restatement of the rule and a case worked out by hand."""

import numpy as np
import pytest

from xtransplant.engine.layout import StepLayout


def test_by_hand() -> None:
    # Five rows writing at layers 0 0 1 2 3(=N, the baseline); after some tokens rows 1, 2, 4 share
    # a history. Later steps: a row is on its own above its layer.
    layout = StepLayout.of(
        np.array([0, 0, 1, 2, 3]), np.array([5, 9, 9, 7, 9]), n_layers=3, first=False
    )
    # Deepest rows: history 5 -> row 0, 7 -> row 3, 9 -> row 4.
    assert layout.rows(-1).tolist() == [0, 3, 4]
    assert layout.rows(0).tolist() == [0, 3, 4]
    assert layout.rows(1).tolist() == [0, 1, 3, 4]
    assert layout.rows(2).tolist() == [0, 1, 2, 3, 4]
    assert layout.slots(0, np.arange(5)).tolist() == [0, 2, 2, 1, 2]
    assert layout.slots(1, np.arange(5)).tolist() == [0, 1, 3, 2, 3]


def test_first_pass_leaves_the_trunk_at_the_target_layer() -> None:
    layout = StepLayout.of(np.array([0, 2, 2]), np.zeros(3, np.int64), n_layers=3, first=True)
    assert [layout.rows(layer).tolist() for layer in range(-1, 3)] == [
        [2],
        [0, 2],
        [0, 2],
        [0, 1, 2],
    ]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_every_row_finds_a_computed_row_that_is_its_own_or_its_history(
    seed: int, first: bool
) -> None:
    rng = np.random.default_rng(seed)
    n_layers, n_rows = 6, 25
    layers = np.sort(rng.integers(0, n_layers + 1, n_rows))
    history = rng.integers(0, 4, n_rows) * (0 if first else 3)
    layout = StepLayout.of(layers, history, n_layers, first=first)
    for layer in range(n_layers):
        own = layers <= layer if first else layers < layer
        rows = layout.rows(layer)
        expected = own.sum() + len(set(history[~own]))
        assert len(rows) == expected, "no more and no fewer rows than the rule asks for"
        for row, slot in enumerate(layout.slots(layer, np.arange(n_rows))):
            if own[row]:
                assert rows[slot] == row
            else:
                assert history[rows[slot]] == history[row] and not own[rows[slot]]
