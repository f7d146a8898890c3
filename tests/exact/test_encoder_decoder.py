"""Encoder-decoder models yield the oracle's tokens: every family and module, on awkward grids."""

from itertools import product

import pytest
import torch
from against_oracle import NEW_TOKENS, assert_equals_oracle, naive
from encoder_decoders import (
    CONFIGS,
    N_DECODER_LAYERS,
    N_ENCODER_LAYERS,
    SOURCE,
    TARGET,
    tiny_model,
)
from families import tiny_model as decoder_only
from samples import all_pairs
from test_engine import require_both_ends, token_that_ends_some

from xtransplant.engine import oracle
from xtransplant.engine.agreement import require_agreement
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import transplant, transplant_all
from xtransplant.errors import LayerError, NumericsError, PromptError
from xtransplant.models.probe import verify
from xtransplant.types import Cell, ModuleType

N_LAYERS = {
    module: N_ENCODER_LAYERS if module is ModuleType.ENCODER_BLOCK else N_DECODER_LAYERS
    for module in ModuleType
}
UNORDERED = [(2, 1), (1, 2), (2, 2), (1, 1), (2, 1)]
SIZES = (1, 3, None)
LONGER = (SOURCE, TARGET)
PROMPTS = {"source longer": LONGER, "source shorter": (TARGET[:4], SOURCE)}
EARLY = ("t5", "bart", "m2m_100", "marian")
"""Of decoder's prompts that hold the usual end token, another token, or none."""
BLOCKS = [ModuleType.BLOCK, ModuleType.ENCODER_BLOCK]


def full(module: ModuleType) -> list[tuple[int, int]]:
    return [(i, j) for i in range(N_LAYERS[module]) for j in range(N_LAYERS[module])]


@all_pairs(
    family=CONFIGS, module=ModuleType, grid=["unordered", "full"], size=SIZES, prompts=PROMPTS
)
def test_cells_equal_the_oracle(
    family: str, module: ModuleType, grid: str, size: int | None, prompts: str
) -> None:
    model = tiny_model(family)
    pairs = full(module) if grid == "full" else UNORDERED
    assert_equals_oracle(model, PROMPTS[prompts], module, pairs, size)


@pytest.mark.exact
@pytest.mark.parametrize("module", list(ModuleType))
@pytest.mark.parametrize("family", CONFIGS)
def test_every_grid_in_every_batch_equals_the_oracle(family: str, module: ModuleType) -> None:
    model = tiny_model(family)
    for pairs, size, prompts in product((UNORDERED, full(module)), SIZES, PROMPTS.values()):
        assert_equals_oracle(model, prompts, module, pairs, size)
    baseline, cells = naive(model, LONGER), [Cell(*pair) for pair in full(module)]
    changed = [c for c in cells if naive(model, LONGER, module, c) != baseline]
    assert len(changed) >= 3, "transplants must change something for this test to show anything"


@pytest.mark.parametrize("module", BLOCKS)
@pytest.mark.parametrize(
    "family",
    [
        family if family in EARLY else pytest.param(family, marks=pytest.mark.exact)
        for family in CONFIGS
    ],
)
def test_rows_that_end_early_equal_the_oracle(family: str, module: ModuleType) -> None:
    endless = tiny_model(family)
    cells = [Cell(*pair) for pair in full(module)]
    eos = token_that_ends_some([naive(endless, LONGER, module, cell) for cell in cells])
    model = tiny_model(family, eos)
    lengths = {len(naive(model, LONGER, module, cell)) for cell in cells}
    assert len(lengths) >= 2 and min(lengths) < NEW_TOKENS
    assert_equals_oracle(model, LONGER, module, full(module), 4)


@pytest.mark.parametrize("module", BLOCKS)
@pytest.mark.parametrize("family", ["umt5", "bart"])
def test_any_of_several_ends_ends_a_row(family: str, module: ModuleType) -> None:
    require_both_ends(tiny_model(family), module, full(module))


@pytest.mark.parametrize("family", CONFIGS)
def test_a_prompt_transplanted_into_itself_at_the_same_layer_stays(family: str) -> None:
    for module in (m for m in ModuleType if m is not ModuleType.ATTN_RESIDUAL):
        grid = transplant(tiny_model(family), TARGET, TARGET, module, max_new_tokens=NEW_TOKENS)
        for layer in range(N_LAYERS[module]):
            assert grid.generation(layer, layer) == grid.baseline
        assert len(set(grid.generations.values())) > 1


@pytest.mark.parametrize("family", CONFIGS)
def test_a_checkpoint_is_verified(family: str) -> None:
    model = tiny_model(family)
    require_agreement(model, verify(model))


@pytest.mark.parametrize("family", ["t5", "m2m_100"])
def test_modules_and_prompts_ride_in_one_call(family: str) -> None:
    model = tiny_model(family)
    requests = [
        Request(*PROMPTS[prompts], module, UNORDERED)
        for module in ModuleType
        for prompts in PROMPTS
    ]
    grids = transplant_all(model, requests, NEW_TOKENS)
    for request, grid in zip(requests, grids, strict=True):
        prompts = "source longer" if request.target is TARGET else "source shorter"
        assert grid.baseline.token_ids == naive(model, PROMPTS[prompts])
        for cell, generation in grid.generations.items():
            assert generation.token_ids == naive(model, PROMPTS[prompts], grid.module, cell), cell


@pytest.mark.parametrize("module", [ModuleType.CROSS_ATTN, ModuleType.ENCODER_BLOCK])
@pytest.mark.parametrize("family", ["t5", "m2m_100"])
def test_log_probabilities_of_options_are_those_of_full_passes(
    family: str, module: ModuleType
) -> None:
    model, options, cell = tiny_model(family), [(5, 9, 11), (5, 8), (17,)], Cell(2, 1)
    request = Request(SOURCE, TARGET, module, [cell], options=options)
    (grid,) = transplant_all(model, [request], NEW_TOKENS)
    vector = oracle.capture_layer(model, SOURCE, module, cell.source_layer)
    place = -1 if module is ModuleType.ENCODER_BLOCK else len(model.decoder_prompt) - 1

    def write(_module: object, _args: object, output: object) -> object:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden[:, place] = vector
        return output

    def logprob(option: tuple[int, ...]) -> float:
        decoder = torch.tensor([[*model.decoder_prompt, *option]])
        with torch.inference_mode():
            logits = model.hf(input_ids=torch.tensor([TARGET]), decoder_input_ids=decoder).logits
        steps = logits[0, len(model.decoder_prompt) - 1 : -1].log_softmax(-1)
        return sum(float(steps[k, token]) for k, token in enumerate(option))

    assert grid.baseline.option_logprobs == pytest.approx([logprob(o) for o in options], abs=1e-3)
    (part,) = model.written(module, cell.target_layer)
    handle = part.register_forward_hook(write)
    try:
        expected = [logprob(option) for option in options]
    finally:
        handle.remove()
    (generation,) = grid.generations.values()
    assert generation.option_logprobs == pytest.approx(expected, abs=1e-3)
    assert expected != pytest.approx(grid.baseline.option_logprobs, abs=1e-2)
    assert generation.token_ids == naive(model, LONGER, module, cell)


def test_logits_that_are_not_finite_name_the_layer() -> None:
    model = tiny_model.__wrapped__("bart")
    model.hf.final_logits_bias[0, 7] = torch.nan
    said = "^target prompt: NaN or infinite logits after a write at target layer 1; "
    with pytest.raises(NumericsError, match=said):
        transplant(model, SOURCE, TARGET, "mlp", [(0, 1)])


def test_what_an_encoder_decoder_cannot_do_is_one_line() -> None:
    model = tiny_model("bart")
    with pytest.raises(LayerError, match="layer 3 is outside the model's 3 layers"):
        transplant(model, SOURCE, TARGET, "cross_attn", [(3, 0)])
    with pytest.raises(PromptError, match=r"decoder's prompt has 2 tokens, 65 with 63 new ones"):
        transplant(model, SOURCE, TARGET, "mlp", [(0, 0)], max_new_tokens=63)
    with pytest.raises(LayerError) as raised:
        transplant(decoder_only("llama"), SOURCE, TARGET, "cross_attn", [(0, 0)])
    assert str(raised.value) == (
        "module 'cross_attn' needs an encoder-decoder model, and llama is not one; "
        "allowed: attn, mlp, block, attn_mlp, attn_residual"
    )
