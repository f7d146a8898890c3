"""Costs as manifests tell them, whole or not at all."""

import pytest

from xtransplant.store.recorded_cost import RecordedCost

COST = {
    **{"n_layers": 8, "n_instances": 2, "seconds": 3.0, "source_tokens": 5, "target_tokens": 6},
    **{"baseline_flops": 1e9, "cell_flops": 2e9, "grid_flops": 3e9, "peak_bytes": 7},
}


def test_a_cost_is_read_and_what_is_unknown_passed_over() -> None:
    found = RecordedCost.read({**COST, "joules": 9.0})
    assert found is not None
    assert (found.n_layers, found.grid_flops, found.peak_bytes) == (8, 3e9, 7)


def test_a_system_may_not_tell_the_memory() -> None:
    found = RecordedCost.read({**COST, "peak_bytes": None})
    assert found is not None and found.peak_bytes is None


@pytest.mark.parametrize("cost", [{}, {**COST, "seconds": None}, {"n_layers": 8}])
def test_half_a_cost_is_none(cost: dict[str, float | None]) -> None:
    assert RecordedCost.read(cost) is None
