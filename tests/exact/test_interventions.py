"""Every operation, step rule and norm yields the oracle's tokens, on every family and module."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import encoder_decoders
import families
import pytest
import torch
from against_oracle import NEW_TOKENS, Prompts, assert_equals_oracle, naive
from families import N_LAYERS, SOURCE, TARGET, having
from samples import all_pairs
from test_engine import token_that_ends_some

from xtransplant.config import schema
from xtransplant.config.intervention import TRANSPLANT, Intervention, require_writable
from xtransplant.engine import oracle
from xtransplant.engine.capture import random_direction
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import TransplantGrid, transplant, transplant_all
from xtransplant.errors import ConfigError, LayerError, NumericsError
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks
from xtransplant.types import Cell, ModuleType

ALPHAS = {"replace": 1.0, "add": -1.5, "mix": 0.6}
WAYS = [
    Intervention(op, ALPHAS[op], steps=steps, norm=norm)
    for op, steps, norm in product(schema.OPERATIONS, schema.STEPS, schema.NORMS)
]
FAMILIES = {**families.CONFIGS, **encoder_decoders.CONFIGS}
PLACES = {
    "rectangular, unordered, not from 0": [(-1, 1), (1, 2), (1, 1)],
    "deep and shallow, one repeated": [(0, 2), (2, 0), (0, 2), (1, -1)],
}
SIZES = (1, 3, None)
LONGER = (SOURCE, TARGET)
PROMPTS: dict[str, Prompts] = {"source longer": LONGER, "source shorter": (TARGET[:4], SOURCE)}
MLP, BLOCK, ATTN_MLP = ModuleType.MLP, ModuleType.BLOCK, ModuleType.ATTN_MLP


def tiny_model(family: str, eos: int | None = None) -> Model:
    home: Any = families if family in families.CONFIGS else encoder_decoders
    model: Model = home.tiny_model(family, eos)
    return model


def cells_in(model: Model, module: ModuleType, places: str) -> list[tuple[int, int]]:
    """Return cells of a grid in layers that have the module."""
    layers = having(model, module)
    return [(layers[i % len(layers)], layers[j % len(layers)]) for i, j in PLACES[places]]


def goes(module: ModuleType, how: Intervention) -> bool:
    """Return whether the intervention can write to the module."""
    return not (module is ModuleType.ENCODER_BLOCK and how.steps == "every")


HOW = {
    **{"op": schema.OPERATIONS, "steps": schema.STEPS, "norm": schema.NORMS},
    **{"places": PLACES, "size": SIZES, "prompts": PROMPTS},
}


@all_pairs(family=families.CONFIGS, module=[MLP, BLOCK, ATTN_MLP], **HOW)
def test_cells_equal_the_oracle(
    family: str,
    module: ModuleType,
    op: str,
    steps: str,
    norm: str,
    places: str,
    size: int | None,
    prompts: str,
) -> None:
    model, how = tiny_model(family), Intervention(op, ALPHAS[op], steps=steps, norm=norm)
    pairs = cells_in(model, module, places)
    assert_equals_oracle(model, PROMPTS[prompts], module, pairs, size, how)


@all_pairs(family=encoder_decoders.CONFIGS, module=ModuleType, **HOW)
def test_cells_of_encoder_decoders_equal_the_oracle(
    family: str,
    module: ModuleType,
    op: str,
    steps: str,
    norm: str,
    places: str,
    size: int | None,
    prompts: str,
) -> None:
    model = tiny_model(family)
    steps = "first" if module is ModuleType.ENCODER_BLOCK else steps
    how = Intervention(op, ALPHAS[op], steps=steps, norm=norm)
    pairs = cells_in(model, module, places)
    assert_equals_oracle(model, PROMPTS[prompts], module, pairs, size, how)


@pytest.mark.exact
@pytest.mark.parametrize(
    ("family", "module"),
    [
        *product(families.CONFIGS, families.MODULES),
        *product(encoder_decoders.CONFIGS, ModuleType),
    ],
)
def test_every_way_in_every_batch_equals_the_oracle(family: str, module: ModuleType) -> None:
    model = tiny_model(family)
    baseline = naive(model, LONGER)
    changing = 0
    ways = [way for way in WAYS if goes(module, way)]
    for how in ways:
        seen = set()
        for places, size in zip(PLACES, (1, 3), strict=True):
            pairs = cells_in(model, module, places)
            assert_equals_oracle(model, LONGER, module, pairs, size, how)
            seen |= {naive(model, LONGER, module, Cell(*pair), how) for pair in pairs}
        changing += seen != {baseline}
    assert changing > len(ways) / 2, "ways must change something for this test to show anything"
    every = [way for way in WAYS if way.steps == "every"]
    if goes(module, every[0]):
        # What later writes do: the same way differs from the write at the first step alone.
        cells = [Cell(*pair) for places in PLACES for pair in cells_in(model, module, places)]
        assert any(
            naive(model, LONGER, module, cell, way)
            != naive(model, LONGER, module, cell, Intervention(way.op, way.alpha, norm=way.norm))
            for way in every
            for cell in cells
        )


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom", "t5"])
def test_each_way_is_one_of_its_own(family: str) -> None:
    """No two of them give the same answers, so a test of equality tells them apart."""
    model = tiny_model(family)
    answers = {
        tuple(tuple(full(model, how, module).generations.values()) for module in (MLP, BLOCK))
        for how in WAYS
    }
    assert len(answers) == len(WAYS)


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom", "jamba", "t5", "m2m_100"])
def test_rows_that_end_early_equal_the_oracle(family: str) -> None:
    endless, how = tiny_model(family), Intervention("mix", 0.8, steps="every")
    pairs = [(i, j) for i in range(3) for j in range(3)]
    cells = [Cell(*pair) for pair in pairs]
    eos = token_that_ends_some([naive(endless, LONGER, BLOCK, cell, how) for cell in cells])
    model = tiny_model(family, eos)
    assert len({len(naive(model, LONGER, BLOCK, cell, how)) for cell in cells}) >= 2
    for size in (4, None):
        assert_equals_oracle(model, LONGER, BLOCK, pairs, size, how)


@pytest.mark.parametrize(
    ("family", "size"), [("llama", None), ("gemma3", 3), ("bloom", 3), ("jamba", None), ("bart", 3)]
)
def test_prompts_modules_and_ways_share_a_batch(family: str, size: int | None) -> None:
    model = tiny_model(family)
    targets = [TARGET, SOURCE[:5], TARGET[2:], TARGET]
    asked = [
        (targets[k % 4], module, how)
        for k, (module, how) in enumerate(product((BLOCK, ATTN_MLP), WAYS))
    ]
    requests = [
        Request(SOURCE, target, module, cells_in(model, module, place)[:2], intervention=how)
        for (target, module, how), place in zip(asked, list(PLACES) * len(asked), strict=False)
    ]
    changed = 0
    for request, grid in zip(
        requests, transplant_all(model, requests, NEW_TOKENS, size), strict=True
    ):
        for cell, generation in grid.generations.items():
            prompts, how = (SOURCE, request.target), request.intervention
            assert generation.token_ids == naive(model, prompts, grid.module, cell, how), how
            changed += generation != grid.baseline
    assert changed > len(requests)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_ways_share_a_pass_in_the_encoder(family: str) -> None:
    """Rows join the pass at their layers, those of one way side by side."""
    model, module = tiny_model(family), ModuleType.ENCODER_BLOCK
    ways = [way for way in WAYS if goes(module, way)]
    requests = [
        Request(SOURCE, TARGET, module, [(k % 4, 1), (k % 3, 2), (k % 4, 0)], intervention=how)
        for k, how in enumerate([*ways, *ways])
    ]
    for request, grid in zip(requests, transplant_all(model, requests, NEW_TOKENS), strict=True):
        for cell, generation in grid.generations.items():
            how = request.intervention
            assert generation.token_ids == naive(model, LONGER, module, cell, how), (how, cell)


def full(model: Model, how: Intervention, module: ModuleType = MLP, **more: Any) -> TransplantGrid:
    layers = having(model, module)
    request = Request(
        SOURCE, TARGET, module, [(i, j) for i in layers for j in layers], intervention=how, **more
    )
    (grid,) = transplant_all(model, [request], NEW_TOKENS)
    return grid


@pytest.mark.parametrize("size", [7, None])
@pytest.mark.parametrize(
    ("family", "alpha"), [("llama", 0.1), ("bloom", 0.35), ("gemma2", 0.05), ("opt", 0.1)]
)
def test_rows_that_share_tokens_for_long_equal_the_oracle(
    family: str, alpha: float, size: int | None
) -> None:
    """Weak writes let many rows of both step rules share a history, so trunks matter."""
    model, cells = tiny_model(family), [(i, j) for i in range(N_LAYERS) for j in range(N_LAYERS)]
    requests = [
        Request(SOURCE, TARGET, BLOCK, cells, intervention=Intervention("mix", alpha, steps=steps))
        for steps in schema.STEPS
    ]
    for request, grid in zip(
        requests, transplant_all(model, requests, NEW_TOKENS, size), strict=True
    ):
        for cell, generation in grid.generations.items():
            how = request.intervention
            assert generation.token_ids == naive(model, LONGER, BLOCK, cell, how), (how, cell)
    assert 3 <= len({one.token_ids for one in grid.generations.values()}) < len(cells)


@pytest.mark.parametrize("module", [MLP, BLOCK, ATTN_MLP])
@pytest.mark.parametrize("steps", schema.STEPS)
@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom", "t5"])
def test_what_alpha_and_steps_are_known_to_do(family: str, steps: str, module: ModuleType) -> None:
    model = tiny_model(family)
    replaced = full(model, Intervention(steps=steps), module)
    assert any(one != replaced.baseline for one in replaced.generations.values())
    assert full(model, Intervention("mix", 1, steps=steps), module) == replaced
    for op in ("add", "mix"):
        nothing = full(model, Intervention(op, 0, steps=steps), module)
        assert set(nothing.generations.values()) == {nothing.baseline}
    one_token = [
        transplant(
            model, SOURCE, TARGET, module, max_new_tokens=1, intervention=Intervention(steps=s)
        )
        for s in schema.STEPS
    ]
    assert one_token[0] == one_token[1]


@pytest.mark.parametrize("family", ["llama", "bloom", "opt", "t5"])
def test_a_vector_in_the_length_of_what_it_meets_is_a_scaled_one(family: str) -> None:
    """`match` makes the lengths of given vectors meaningless, and a zero vector stays zero."""
    model = tiny_model(family)
    vectors = torch.stack(
        [oracle.capture_layer(model, SOURCE, MLP, layer) for layer in range(len(model.mlp))]
    )
    how = Intervention("add", 0.5, norm="match")
    grids = [
        transplant(model, scale * vectors, TARGET, MLP, "full", NEW_TOKENS, intervention=how)
        for scale in (1.0, 1e3, 0.0)
    ]
    assert grids[0] == grids[1] == full(model, how)
    assert set(grids[2].generations.values()) == {grids[0].baseline}
    assert any(one != grids[0].baseline for one in grids[0].generations.values())


def layer_rows(model: Model, how: Intervention) -> tuple[list[list[int]], TransplantGrid]:
    """Return how many rows each step computes at each layer; and the grid."""
    seen: list[list[int]] = []

    def count(layer: int, hidden: torch.Tensor) -> None:
        if hidden.shape[1] == 1:
            if layer == 0:
                seen.append([])
            seen[-1].append(hidden.shape[0])

    watching = [
        (part, lambda hidden, layer=layer: count(layer, hidden))
        for layer, part in enumerate(model.layers)
    ]
    with hooks(on_output=watching):
        grid = full(model, how)
    return seen, grid


@pytest.mark.parametrize("steps", schema.STEPS)
@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_rows_share_the_layers_below_their_write_at_every_step(family: str, steps: str) -> None:
    """A row that writes again leaves the trunk at its target layer, another one behind it."""
    seen, grid = layer_rows(tiny_model(family), Intervention(steps=steps))
    rows = [(N_LAYERS + 1, grid.baseline.token_ids)]
    rows += [(cell.target_layer, one.token_ids) for cell, one in grid.generations.items()]
    assert len(seen) == NEW_TOKENS
    for step, counts in enumerate(seen):
        for layer, n_rows in enumerate(counts):
            own = [j + (steps == "first" and step > 0) <= layer for j, _ in rows]
            shared = {
                tokens[:step] for (_, tokens), mine in zip(rows, own, strict=True) if not mine
            }
            assert n_rows == sum(own) + len(shared), (step, layer)
    assert sum(map(sum, seen)) < NEW_TOKENS * N_LAYERS * len(rows)


@torch.inference_mode()
def teacher_forced(model: Model, write: oracle.Write | None, option: Sequence[int]) -> float:
    """Return an option's log-probability by one plain pass over prompt and option."""
    before = list(model.decoder_prompt) or TARGET
    ids = torch.tensor([[*before, *option[:-1]]])
    inputs = {"input_ids": ids}
    if model.decoder_prompt:
        inputs = {"input_ids": torch.tensor([TARGET]), "decoder_input_ids": ids}
    in_encoder = write is not None and write.module is ModuleType.ENCODER_BLOCK
    first = len(TARGET if in_encoder else before) - 1
    handles = []

    def hook(_module: object, _args: object, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        rows = hidden.view(-1, hidden.shape[-1])  # one prompt, so tokens are all there is
        assert write is not None
        last = len(rows) if write.intervention.steps == "every" else first + 1
        for token in range(first, last):
            rows[token] = write.after(rows[token], 0)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    if write is not None:
        (part,) = model.written(write.module, write.layer)
        handles.append(part.register_forward_hook(hook))
    try:
        logits = model.hf(**inputs).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    steps = logits[-len(option) :].log_softmax(-1)
    return sum(float(steps[k, token]) for k, token in enumerate(option))


@pytest.mark.parametrize(
    ("family", "way"),
    [("llama", way) for way in WAYS if way.steps == "every"]
    + [("bloom", WAYS[2]), ("opt", WAYS[7]), ("t5", WAYS[6]), ("mbart", WAYS[8])],
)
def test_options_are_written_to_as_new_tokens_are(family: str, way: Intervention) -> None:
    """With `every` each token of an option that is read is written to, as a generated one is."""
    model = tiny_model(family)
    answer = oracle.generate(model, TARGET, 3)
    options = [(5, 6, 9), (5, 7, 9), (5, 6, 8, 4), (11,), answer, (answer[0], 12)]
    cells = [(0, 1), (2, 0), (1, 2)]
    requests = [
        Request(SOURCE, TARGET, module, cells, options, intervention=way) for module in (MLP, BLOCK)
    ]
    far = 0.0
    for grid in transplant_all(model, requests, NEW_TOKENS, 3):
        for cell, generation in grid.generations.items():
            activation = oracle.capture_layer(model, SOURCE, grid.module, cell.source_layer)
            write = oracle.Write(grid.module, cell.target_layer, activation, way)
            expected = [teacher_forced(model, write, option) for option in options]
            assert generation.option_logprobs == pytest.approx(expected, abs=2e-3)
            assert generation.token_ids == oracle.generate(model, TARGET, NEW_TOKENS, write)
            once = oracle.Write(
                grid.module,
                cell.target_layer,
                activation,
                Intervention(way.op, way.alpha, norm=way.norm),
            )
            far = max(far, abs(expected[2] - teacher_forced(model, once, options[2])))
    assert (far > 0.1) == (way.steps == "every")


@pytest.mark.parametrize("steps", schema.STEPS)
@pytest.mark.parametrize("norm", schema.NORMS)
@pytest.mark.parametrize(
    ("family", "module"),
    [("llama", MLP), ("bloom", BLOCK), ("gemma2", ATTN_MLP), ("bart", ModuleType.CROSS_ATTN)]
    + [pytest.param(f, BLOCK, marks=pytest.mark.exact) for f in FAMILIES if f != "bloom"],
)
def test_displacement_moves_the_output_as_far_in_a_random_direction(
    family: str, module: ModuleType, norm: str, steps: str
) -> None:
    model, how = tiny_model(family), Intervention(steps=steps, norm=norm)
    pairs = cells_in(model, module, "deep and shallow, one repeated")
    request = Request(SOURCE, TARGET, module, pairs, displacement_seed=7, intervention=how)
    moved, other = transplant_all(
        model, [request, Request(SOURCE, TARGET, module, pairs, displacement_seed=8)], NEW_TOKENS, 3
    )
    assert moved.generations != other.generations
    for cell, generation in moved.generations.items():
        activation = oracle.capture_layer(model, SOURCE, module, cell.source_layer)
        direction = random_direction(activation, 7, cell)
        write = oracle.Write(module, cell.target_layer, activation, how, direction)
        assert generation.token_ids == oracle.generate(model, TARGET, NEW_TOKENS, write), cell
        met = oracle.capture_layer(model, TARGET, module, cell.target_layer)
        if norm == "none":  # by the definition: as far away as the activation
            for place, (one, its) in enumerate(
                zip(met.view(-1, met.shape[-1]), activation.view(-1, met.shape[-1]), strict=True)
            ):
                far = (write.after(one, place) - one).norm()
                torch.testing.assert_close(far, (its - one).norm())
    assert any(one != moved.baseline for one in moved.generations.values())


def test_a_direction_is_of_its_row_alone() -> None:
    like = torch.zeros(2, 4000)
    cells = [Cell(0, 1), Cell(1, 0), Cell(0, 2), Cell(11, 1)]
    drawn = [random_direction(like, seed, cell) for seed in (0, 1) for cell in cells]
    for k, one in enumerate(drawn):
        torch.testing.assert_close(one.norm(dim=-1), torch.ones(2))
        for other in drawn[k + 1 :]:
            assert (one @ other.T).abs().max() < 0.1
        assert abs(one[0] @ one[1]) < 0.1
    assert random_direction(like, 0, cells[0]).equal(drawn[0])


@pytest.mark.parametrize("module", [MLP, ATTN_MLP, ModuleType.ENCODER_BLOCK])
def test_vectors_stand_in_the_place_of_a_source_prompt(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("bart")
    layers = range(len(model.modules(module)))
    vectors = torch.stack([oracle.capture_layer(model, SOURCE, module, k) for k in layers])
    expected = transplant(model, SOURCE, TARGET, module, "full", NEW_TOKENS)
    monkeypatch.setattr("xtransplant.engine.transplant.capture", None)
    assert transplant(model, vectors, TARGET, module, "full", NEW_TOKENS) == expected
    how = Intervention("add", vector="difference")
    added = transplant(model, vectors, TARGET, module, "full", NEW_TOKENS, intervention=how)
    assert added.generations != expected.generations


def test_what_does_not_go_together_is_one_line() -> None:
    model = tiny_model("llama")
    with pytest.raises(ConfigError) as raised:
        transplant(model, SOURCE, TARGET, intervention=Intervention("add", vector="difference"))
    assert str(raised.value) == (
        "intervention.vector=difference is made from a task's data, and a prompt is not enough; "
        "allowed: activation, or the vectors as a tensor in the source prompt's place"
    )
    with pytest.raises(LayerError) as shape:
        transplant(model, torch.zeros(3, 32), TARGET)
    assert str(shape.value) == (
        "source vectors have shape [3, 32]; allowed: [4, 32], one for each layer of module 'mlp'"
    )
    with pytest.raises(LayerError, match=r"allowed: \[4, 2, 32\]"):
        transplant(model, torch.zeros(4, 32), TARGET, "attn_mlp")
    vectors = torch.zeros(4, 32)
    vectors[2, 5] = torch.inf
    with pytest.raises(NumericsError, match=r"^source vectors: NaN or infinite at layer 2$"):
        transplant(model, vectors, TARGET)
    every = Intervention(steps="every")
    with pytest.raises(ConfigError, match=r"^intervention.steps=every does not go with module="):
        transplant(tiny_model("t5"), SOURCE, TARGET, "encoder_block", intervention=every)
    require_writable(every, BLOCK)
    for bad in (
        {"op": "set"},
        {"alpha": 0.5},
        {"alpha": "1"},
        {"op": "add", "alpha": float("nan")},
    ):
        with pytest.raises(ConfigError):
            Intervention(**bad)
    assert Intervention() == TRANSPLANT
