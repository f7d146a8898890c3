"""The engine yields the oracle's tokens: every family and module, awkward grids, batches, EOS."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from against_oracle import NEW_TOKENS, assert_equals_oracle, naive
from families import CONFIGS, MODULES, N_LAYERS, SOURCE, TARGET, having, tiny_model
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

RECTANGULAR = "rectangular, unordered, not from 0"
AWKWARD = {
    RECTANGULAR: [(3, 1), (1, 2), (3, 2), (1, 1), (2, 2), (2, 1)],
    "repeated cells": [(0, 2), (3, 2), (0, 2), (0, 2)],
    "one cell at the last layer": [(2, 3)],
    "one cell at the first layer": [(3, 0)],
    "full": [(i, j) for i in range(N_LAYERS) for j in range(N_LAYERS)],
}
THOROUGH = ("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "bloom", "jamba")
"""Families with all of these grids, in batches and at once; others have two: one in batches, and
all cells at once."""
LONGER = (SOURCE, TARGET)
PROMPTS = {"source longer": LONGER, "source shorter": (TARGET[:4], SOURCE)}


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("family", CONFIGS)
def test_every_cell_equals_the_oracle(family: str, module: ModuleType) -> None:
    model = tiny_model(family)
    layers = having(model, module)
    grids = {
        name: [pair for pair in pairs if {*pair} <= {*layers}] for name, pairs in AWKWARD.items()
    }
    if family in THOROUGH:
        sizes = {name: (3 if name == "full" else 1, None) for name in grids}
    else:
        sizes = {RECTANGULAR: (3,), "full": (None,)}
    for name in sizes:
        for size in sizes[name] if grids[name] else ():
            assert_equals_oracle(model, LONGER, module, grids[name], size)
    repeated = grids["repeated cells"] or grids["full"][1:3] * 2
    assert_equals_oracle(model, PROMPTS["source shorter"], module, repeated, None)
    baseline = naive(model, LONGER)
    changed = [
        cell for cell in grids["full"] if naive(model, LONGER, module, Cell(*cell)) != baseline
    ]
    assert len(changed) >= min(5, len(grids["full"]) - 2), (
        "the transplant must change something for this test to show anything"
    )


@pytest.mark.parametrize("family", CONFIGS)
def test_rows_that_end_early_equal_the_oracle(family: str) -> None:
    endless = tiny_model(family)
    module = ModuleType.BLOCK
    full = [naive(endless, LONGER, module, Cell(*pair)) for pair in AWKWARD["full"]]
    eos = token_that_ends_some(full)
    model = tiny_model(family, eos)
    lengths = {len(naive(model, LONGER, module, Cell(*pair))) for pair in AWKWARD["full"]}
    assert len(lengths) >= 2 and min(lengths) < NEW_TOKENS
    for size in (1, 4, None) if family in THOROUGH else (4,):
        assert_equals_oracle(model, LONGER, module, AWKWARD["full"], size)
    source, target = PROMPTS["source longer"]
    grid = transplant(model, source, target, module, max_new_tokens=NEW_TOKENS)
    for generation in grid.generations.values():
        assert (generation.finish == "eos") == (generation.token_ids[-1] == eos)


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_any_of_several_ends_ends_a_row(family: str) -> None:
    require_both_ends(tiny_model(family), ModuleType.BLOCK, AWKWARD["full"])


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


@pytest.mark.parametrize("module", [ModuleType.ATTN, ModuleType.MLP, ModuleType.BLOCK])
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
def test_several_modules_ride_in_one_batch(family: str) -> None:
    model = tiny_model(family)
    acts = capture(model, [tuple(SOURCE)], MODULES, N_LAYERS, ["source"])
    wanted = [
        (m, Cell(i, j))
        for j in (3, 0, 2)
        for m in MODULES
        for i in (3, 1)
        if {i, j} <= {*having(model, m)}
    ]
    rows = [Row(cell.target_layer, m, acts[m][0, cell.source_layer]) for m, cell in wanted]
    got = decode(model, [Target(tuple(TARGET))], rows, NEW_TOKENS)
    expected = [naive(model, LONGER, m, cell) for m, cell in wanted]
    assert [continuation.token_ids for continuation in got] == expected


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
        ("source", "w1 \udcff", PromptError, "holds bytes that are no text in UTF-8"),
        ("module", 5, LayerError, "unknown module '5'; allowed: attn, "),
        *(
            ("cells", value, LayerError, "malformed cells .*; allowed: 'full' or a list of pairs")
            for value in (None, 5, "all", Cell(0, 1))
        ),
        ("cells", [5], LayerError, "malformed pair 5; allowed: "),
        ("cells", [(1.0, 2)], LayerError, "layer 1.0 is not an integer"),
        *(
            (name, value, ConfigError, f"{name} .*; allowed: an integer, 1 or more")
            for name in ("max_new_tokens", "rows_per_batch")
            for value in ("20", 2.5)
        ),
        ("model", "org/name", ModelError, "'org/name' is no loaded model; give what load_model"),
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
