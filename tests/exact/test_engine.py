"""The engine yields the oracle's tokens: every family and module, awkward grids, batches, EOS."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from against_oracle import NEW_TOKENS, assert_equals_oracle, naive
from families import CONFIGS, MODULES, N_LAYERS, SOURCE, TARGET, having, tiny_model
from samples import all_pairs
from transformers.utils import logging

from xtransplant.engine import oracle
from xtransplant.engine.agreement import require_agreement
from xtransplant.engine.capture import capture
from xtransplant.engine.decode import Target, decode
from xtransplant.engine.rows import Row
from xtransplant.engine.transplant import transplant
from xtransplant.errors import ConfigError, LayerError, ModelError, PromptError
from xtransplant.models.families import Model
from xtransplant.models.probe import verify
from xtransplant.types import Cell, ModuleType

logging.set_verbosity_error()

GRIDS = {
    "rectangular, unordered, not from 0": [(3, 1), (1, 2), (3, 2), (1, 1), (2, 2), (2, 1)],
    "repeated cells": [(0, 2), (3, 2), (0, 2), (0, 2)],
    "one cell at the last layer": [(2, 3)],
    "one cell at the first layer": [(3, 0)],
    "full": [(i, j) for i in range(N_LAYERS) for j in range(N_LAYERS)],
}
SIZES = (1, 3, None)
"""Rows per batch: one, few, as many as the engine likes."""
LONGER = (SOURCE, TARGET)
PROMPTS = {"source longer": LONGER, "source shorter": (TARGET[:4], SOURCE)}


@all_pairs(family=CONFIGS, module=MODULES, grid=GRIDS, size=SIZES, prompts=PROMPTS)
def test_cells_equal_the_oracle(
    family: str, module: ModuleType, grid: str, size: int | None, prompts: str
) -> None:
    model = tiny_model(family)
    pairs = in_layers_with(model, module, grid)
    assert_equals_oracle(model, PROMPTS[prompts], module, pairs, size)


@pytest.mark.exact
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("family", CONFIGS)
def test_every_grid_in_every_batch_equals_the_oracle(family: str, module: ModuleType) -> None:
    model = tiny_model(family)
    for grid, size in product(GRIDS, SIZES):
        assert_equals_oracle(model, LONGER, module, in_layers_with(model, module, grid), size)
    full = in_layers_with(model, module, "full")
    assert_equals_oracle(model, PROMPTS["source shorter"], module, full, 3)
    baseline, cells = naive(model, LONGER), {Cell(*pair) for pair in full}
    changed = [cell for cell in cells if naive(model, LONGER, module, cell) != baseline]
    assert len(changed) >= min(5, len(cells) - 2), (
        "transplants must change something for this test to show anything"
    )


def in_layers_with(model: Model, module: ModuleType, grid: str) -> list[tuple[int, int]]:
    """Return a grid's cells; where only some layers have the module, in those."""
    layers = having(model, module)
    nearest = [layers[layer * len(layers) // N_LAYERS] for layer in range(N_LAYERS)]
    return [(nearest[i], nearest[j]) for i, j in GRIDS[grid]]


@pytest.mark.parametrize(
    ("family", "sizes"),
    [(family, [4]) for family in ("llama", "gemma2", "bloom", "jamba", "qwen3_next")]
    + [pytest.param(family, SIZES, marks=pytest.mark.exact) for family in CONFIGS],
)
def test_rows_that_end_early_equal_the_oracle(family: str, sizes: Sequence[int | None]) -> None:
    module, pairs = ModuleType.BLOCK, GRIDS["full"]
    cells = [Cell(*pair) for pair in pairs]
    endless = tiny_model(family)
    eos = token_that_ends_some([naive(endless, LONGER, module, cell) for cell in cells])
    model = tiny_model(family, eos)
    lengths = {len(naive(model, LONGER, module, cell)) for cell in cells}
    assert len(lengths) >= 2 and min(lengths) < NEW_TOKENS
    for size in sizes:
        assert_equals_oracle(model, LONGER, module, pairs, size)
    source, target = LONGER
    grid = transplant(model, source, target, module, max_new_tokens=NEW_TOKENS)
    for generation in grid.generations.values():
        assert (generation.finish == "eos") == (generation.token_ids[-1] == eos)


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_any_of_several_ends_ends_a_row(family: str) -> None:
    require_both_ends(tiny_model(family), ModuleType.BLOCK, GRIDS["full"])


def require_both_ends(endless: Model, module: ModuleType, pairs: Sequence[tuple[int, int]]) -> None:
    """Give a model two tokens of which each ends some rows, and compare all with the oracle."""
    cells = [Cell(*pair) for pair in pairs]
    continuations = [naive(endless, LONGER, module, cell) for cell in cells]
    ends: list[int] = []
    for _ in range(2):
        going = [tokens for tokens in continuations if not {*tokens} & {*ends}]
        ends.append(token_that_ends_some(going))
    model = replace(endless, eos_token_ids=frozenset(ends))
    assert {*ends} <= {naive(model, LONGER, module, cell)[-1] for cell in cells}
    for size in (4, None):
        assert_equals_oracle(model, LONGER, module, pairs, size)


def token_that_ends_some(continuations: list[tuple[int, ...]]) -> int:
    """Find a token that would end some continuations in their middle, and others never."""
    inner = {token for tokens in continuations for token in tokens[1:-1]}
    ended = {token: sum(token in tokens for tokens in continuations) for token in inner}
    return max(
        (token for token in ended if ended[token] < len(continuations)), key=lambda t: (ended[t], t)
    )


@pytest.mark.parametrize("module", [m for m in MODULES if m is not ModuleType.ATTN_RESIDUAL])
@pytest.mark.parametrize("family", CONFIGS)
def test_a_prompt_transplanted_into_itself_at_the_same_layer_stays(
    family: str, module: ModuleType
) -> None:
    model = tiny_model(family)
    layers = having(model, module)
    cells = [(i, j) for i in layers for j in layers]
    grid = transplant(model, TARGET, TARGET, module, cells, max_new_tokens=NEW_TOKENS)
    for layer in layers:
        assert grid.generation(layer, layer) == grid.baseline
    others = [
        grid.generations[cell] for cell in grid.cells if cell.source_layer != cell.target_layer
    ]
    assert any(generation != grid.baseline for generation in others)


@pytest.mark.parametrize("family", CONFIGS)
def test_a_checkpoint_is_verified(family: str) -> None:
    model = tiny_model(family)
    require_agreement(model, verify(model))


@pytest.mark.parametrize("family", CONFIGS)
def test_rows_of_all_modules_share_a_batch_that_some_leave_early(family: str) -> None:
    model = tiny_model(family)
    acts = capture(model, [tuple(SOURCE)], MODULES, N_LAYERS, ["source"])
    wanted = [
        (module, Cell(layers[i], layers[j]))
        for i, j in ((-1, -1), (1, 0), (-2, 1))
        for module in MODULES
        for layers in [having(model, module)]
    ]
    rows = [Row(cell.target_layer, m, acts[m][0, cell.source_layer]) for m, cell in wanted]
    expected = [naive(model, LONGER, m, cell) for m, cell in wanted]

    def decoded(model: Model) -> list[tuple[int, ...]]:
        continuations = decode(model, [Target(tuple(TARGET))], rows, NEW_TOKENS)
        return [continuation.token_ids for continuation in continuations]

    assert decoded(model) == expected
    eos = token_that_ends_some(expected)
    ended = [t[: t.index(eos) + 1] if eos in t else t for t in expected]
    assert decoded(replace(model, eos_token_ids=frozenset({eos}))) == ended


@pytest.mark.parametrize("cells", ["full", [(0, 1)], [(1, 0)]])
def test_attention_is_refused_for_layers_that_have_none(cells: Any) -> None:
    model = tiny_model("jamba")
    for module in (ModuleType.ATTN, ModuleType.ATTN_RESIDUAL):
        said = rf"^layer 1 has no module '{module}', only mamba .*; layers that have one: \[0, 2\]"
        with pytest.raises(LayerError, match=said):
            transplant(model, SOURCE, TARGET, module, cells)


@pytest.mark.parametrize(
    ("argument", "value", "error", "said"),
    [
        *(
            (side, value, PromptError, "prompt is .*; allowed: text or a list of token ids")
            for side in ("source", "target")
            for value in (None, 5, b"ab", ["w1", "w2"], [1.5, 2], [[3, 4]], {3, 4})
        ),
        ("source", "w1 \udcff", PromptError, "contains bytes that are not UTF-8 text"),
        ("module", 5, LayerError, "unknown module '5'; allowed: attn, "),
        *(
            ("cells", value, LayerError, "malformed cells .*; allowed: 'full', 'none' or a list")
            for value in (None, 5, "all", Cell(0, 1))
        ),
        ("cells", [5], LayerError, "malformed pair 5; allowed: "),
        ("cells", [(1.0, 2)], LayerError, "layer 1.0 is not an integer"),
        *(
            (name, value, ConfigError, f"{name} .*; allowed: an integer, 1 or more")
            for name in ("max_new_tokens", "rows_per_batch")
            for value in ("20", 2.5)
        ),
        ("model", "org/name", ModelError, "'org/name' is not a loaded model; pass the result"),
    ],
)
def test_arguments_of_a_wrong_type_are_one_line(
    argument: str, value: Any, error: type[Exception], said: str
) -> None:
    good: dict[str, Any] = {"model": tiny_model("llama"), "source": SOURCE, "target": TARGET}
    with pytest.raises(error, match=said) as raised:
        transplant(**(good | {argument: value}))
    assert "\n" not in str(raised.value)


def test_arrays_are_token_ids_and_cells_too() -> None:
    cells = np.array([[0, 3], [2, 1]])
    found = transplant(tiny_model("llama"), np.array(SOURCE), torch.tensor(TARGET), "mlp", cells)
    expected = transplant(tiny_model("llama"), SOURCE, TARGET, "mlp", [(0, 3), (2, 1)])
    assert found.generations == expected.generations


def test_text_prompts_and_ids_give_the_same_grid() -> None:
    model = tiny_model("llama")
    as_text = " ".join(f"w{k}" for k in TARGET)
    model.tokenizer.backend_tokenizer.pre_tokenizer = whitespace()
    assert transplant(model, SOURCE, as_text, "mlp", [(1, 2)], 4) == transplant(
        model, SOURCE, TARGET, "mlp", [(1, 2)], 4
    )


def whitespace() -> object:
    from tokenizers.pre_tokenizers import Whitespace

    return Whitespace()


@pytest.mark.parametrize("fail_at", ["attention", "write"])
def test_after_an_exception_the_model_is_as_before(
    fail_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("gemma2")
    usual, hooks_before = model.hf.config._attn_implementation, n_hooks(model)
    rows = [Row(2, ModuleType.MLP, torch.zeros(32))]
    if fail_at == "attention":
        monkeypatch.setattr(
            "xtransplant.engine.prefix_cache.attend",
            lambda *_: (_ for _ in ()).throw(ZeroDivisionError),
        )
    else:
        rows = [Row(2, ModuleType.MLP, torch.zeros(31))]
    with pytest.raises((ZeroDivisionError, RuntimeError)):
        decode(model, [Target(tuple(TARGET))], rows, NEW_TOKENS)
    assert model.hf.config._attn_implementation == usual
    assert n_hooks(model) == hooks_before
    monkeypatch.undo()
    assert oracle.generate(model, TARGET, NEW_TOKENS) == naive(model, LONGER)


def n_hooks(model: Model) -> int:
    parts = list(model.hf.modules())
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts)
