"""The write: where it lands, and that nothing else puts a vector into a module."""

from collections.abc import Sequence

import encoder_decoders
import pytest
import torch
from families import MODULES, SOURCE, TARGET, tiny_model

from xtransplant.config.intervention import TRANSPLANT, Intervention
from xtransplant.engine import oracle, writes
from xtransplant.engine.agreement import require_agreement
from xtransplant.engine.capture import capture
from xtransplant.engine.decode import Target, decode
from xtransplant.engine.request import Request
from xtransplant.engine.rows import Row
from xtransplant.engine.transplant import TransplantGrid, transplant_all
from xtransplant.errors import ModelError
from xtransplant.models.families import Model
from xtransplant.models.probe import verify
from xtransplant.types import ModuleType

NEW_TOKENS = 4
HIDDEN = [
    [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    [[7.0, 8.0], [9.0, 10.0], [11.0, 12.0]],
]


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(
    ("tokens", "places"),
    [(slice(-1, None), [2]), (slice(0, 1), [0]), (slice(1, 2), [1]), (slice(1, None), [1, 2])],
)
def test_a_vector_lands_at_the_tokens_of_its_row(
    flat: bool, tokens: slice, places: list[int]
) -> None:
    hidden = torch.tensor(HIDDEN)
    before = hidden.view(-1, 2) if flat else hidden
    content = writes.Content(TRANSPLANT, torch.tensor([[-1.0, -2.0]]))
    after = writes.put(before, torch.tensor([1]), content, 3, tokens)
    assert after.shape == before.shape
    expected = [[list(vector) for vector in row] for row in HIDDEN]
    for place in places:
        expected[1][place] = [-1.0, -2.0]
    assert after.view(2, 3, 2).tolist() == expected
    assert hidden.tolist() == HIDDEN, "the module's own output is left as it is"


def grids(model: Model, modules: Sequence[ModuleType]) -> list[TransplantGrid]:
    options = [(5, 9), (17,)]
    requests = [Request(SOURCE, TARGET, module, options=options) for module in modules]
    return transplant_all(model, requests, NEW_TOKENS)


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom", "falcon_h1", "t5", "mbart"])
def test_without_it_every_cell_is_the_untouched_answer(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_sides = family in encoder_decoders.CONFIGS
    model = encoder_decoders.tiny_model(family) if both_sides else tiny_model(family)
    modules = list(ModuleType) if both_sides else MODULES
    for grid in grids(model, modules):
        assert any(cell != grid.baseline for cell in grid.generations.values()), grid.module
    untouched = oracle.generate(model, TARGET, NEW_TOKENS)
    monkeypatch.setattr(writes, "put", lambda hidden, *_: hidden)
    for grid in grids(model, modules):
        assert grid.baseline.token_ids == untouched
        for cell, generation in grid.generations.items():
            assert generation.token_ids == grid.baseline.token_ids, (grid.module, cell)
            assert generation.option_logprobs == pytest.approx(
                grid.baseline.option_logprobs, abs=1e-4
            )


def test_the_check_at_load_writes_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    states = verify(model)
    require_agreement(model, states)
    monkeypatch.setattr(writes, "put", lambda hidden, *_: hidden)
    with pytest.raises(ModelError, match="a write to module 'attn' of layer 0 has no effect"):
        require_agreement(model, states)


@pytest.mark.parametrize(
    ("family", "module"),
    [("llama", ModuleType.MLP), ("bloom", ModuleType.ATTN), ("t5", ModuleType.ENCODER_BLOCK)],
)
def test_an_operation_is_a_line_of_its_table_and_shares_a_pass_with_others(
    family: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_encoder = module is ModuleType.ENCODER_BLOCK
    model = encoder_decoders.tiny_model(family) if in_encoder else tiny_model(family)
    monkeypatch.setitem(writes.OPERATIONS, "add", lambda met, vectors, _alpha: met + vectors)
    acts = capture(model, [tuple(SOURCE), tuple(TARGET)], [module], 2, ["source", "target"])
    rows, totals = [], []
    for layer in (0, 1):
        vector, met = acts[module][0, 1 - layer], acts[module][1, layer]
        ways = (TRANSPLANT, Intervention(op="add"))
        rows += [Row(layer, module, vector, intervention=how) for how in ways]
        totals.append(Row(layer, module, met + vector))

    def answers(rows: Sequence[Row]) -> list[tuple[int, ...]]:
        return [each.token_ids for each in decode(model, [Target(tuple(TARGET))], rows, NEW_TOKENS)]

    together = answers(rows)
    assert together[1::2] == answers(totals)
    assert together[::2] == answers(rows[::2])
    assert together[1::2] != together[::2]
