"""Costs as manifests tell them, and the cost of a fixed cell by hand."""

import pytest

from xtransplant.store.recorded_cost import RecordedCost

COST = {
    **{"n_layers": 8, "n_instances": 2, "seconds": 3.0, "source_tokens": 5, "target_tokens": 6},
    **{"baseline_flops": 1e9, "grid_flops": 3e9, "peak_bytes": 7},
}
SMALL = {**COST, "layer_parameters": 80, "unembedding_parameters": 30}
LLAMA_2_7B = {
    **COST,
    **{"n_layers": 32, "n_instances": 1, "source_tokens": 80, "target_tokens": 140},
    # Queries, keys, values and output; gate, up and down; 32,000 tokens.
    "layer_parameters": 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008),
    "unembedding_parameters": 32_000 * 4096,
}


def read(cost: dict[str, float | None]) -> RecordedCost:
    found = RecordedCost.read(cost)
    assert found is not None
    return found


def test_a_cost_is_read_and_what_is_unknown_passed_over() -> None:
    found = read({**COST, "joules": 9.0, "cell_flops": 2e9})
    assert (found.n_layers, found.grid_flops, found.peak_bytes) == (8, 3e9, 7)


def test_a_system_may_not_tell_the_memory() -> None:
    assert read({**COST, "peak_bytes": None}).peak_bytes is None


@pytest.mark.parametrize("cost", [{}, {**COST, "seconds": None}, {"n_layers": 8}])
def test_half_a_cost_is_none(cost: dict[str, float | None]) -> None:
    assert RecordedCost.read(cost) is None


@pytest.mark.parametrize(
    ("source_layer", "flops"),
    [
        # An instance has 3 tokens in the target prompt and 2.5 in the source prompt; 4 new tokens
        # are generated, so the layers read 3 + 3 tokens: 2 (80 * 6 + 30 * 4) = 1200 FLOPs.
        # A layer has 10 parameters, so each layer of the source pass adds 2 * 10 * 2.5 = 50.
        (0, 1200 + 1 * 50),
        (4, 1200 + 5 * 50),
        (7, 1200 + 8 * 50),
    ],
)
def test_flops_of_three_cells_by_hand(source_layer: int, flops: float) -> None:
    found = read(SMALL)
    assert found.prompt_flops(4) == 1200
    assert found.cell_flops(source_layer, 4) == pytest.approx(flops)


def test_relative_cost_of_a_large_model() -> None:
    found = read(LLAMA_2_7B)
    prompt = found.prompt_flops(20)
    first, last = (found.cell_flops(layer, 20) for layer in (0, 31))
    assert prompt and first and last
    assert (round(first / prompt, 2), round(last / prompt, 2)) == (1.02, 1.50)


def test_an_earlier_manifest_has_no_cost_of_a_cell() -> None:
    found = read(COST)
    assert found.prompt_flops(4) is None and found.cell_flops(0, 4) is None
