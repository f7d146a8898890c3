"""Many grids in one call: what they share changes nothing; and options' log-probabilities."""

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from against_oracle import NEW_TOKENS, naive
from families import CONFIGS, MODULES, N_LAYERS, SOURCE, TARGET, having, tiny_model
from torch import distributed

from xtransplant.engine import decode as decoding
from xtransplant.engine import oracle, passes
from xtransplant.engine.prefix_cache import Prefixes, SharedPrefixCache
from xtransplant.engine.request import Request
from xtransplant.engine.rows import Continuation, Row
from xtransplant.engine.steps import decode_batch
from xtransplant.engine.transplant import transplant, transplant_all
from xtransplant.errors import ConfigError, ModelError, NumericsError, PromptError
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks
from xtransplant.types import Cell, ModuleType, Prompt

MLP, ATTN, BLOCK = ModuleType.MLP, ModuleType.ATTN, ModuleType.BLOCK
TARGETS = [TARGET, SOURCE[:5], TARGET[2:], SOURCE, TARGET[:2]]
OPTIONS = [(5, 6, 9), (5, 7, 9), (5, 6, 8, 4), (11,)]


def prompts(k: int) -> tuple[list[int], list[int]]:
    """Each target with the next one as its source."""
    return TARGETS[(k + 1) % len(TARGETS)], TARGETS[k]


@pytest.mark.parametrize(
    ("family", "size", "pass_tokens"),
    [(family, 7, 30) for family in CONFIGS]
    + [("llama", 2, 1), ("llama", None, passes.PASS_TOKENS), ("jamba", None, 1)]
    + [
        pytest.param(family, size, tokens, marks=pytest.mark.exact)
        for family, size, tokens in product(CONFIGS, (2, None), (1, passes.PASS_TOKENS))
    ],
)
def test_prompts_of_any_length_share_a_batch(
    family: str, size: int | None, pass_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "PASS_TOKENS", pass_tokens)
    model = tiny_model(family)
    cells = [[(3, 1)], [(1, 0)], [(2, 2), (1, 3)], [(0, 0)], [(3, 2)]]
    attn = ATTN if len(having(model, ATTN)) == N_LAYERS else MLP
    modules = [MLP, attn, BLOCK, attn, MLP]
    requests = [Request(*prompts(k), modules[k], cells[k]) for k in range(len(TARGETS))]
    grids = transplant_all(model, requests, NEW_TOKENS, size)
    changed = 0
    for k, grid in enumerate(grids):
        assert grid.baseline.token_ids == naive(model, prompts(k))
        assert [tuple(vars_of(cell)) for cell in grid.cells] == cells[k]
        for cell, generation in grid.generations.items():
            assert generation.token_ids == naive(model, prompts(k), modules[k], cell)
            changed += generation.token_ids != grid.baseline.token_ids
    assert changed


def test_a_pass_has_as_many_tokens_as_allowed_padding_included(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passes, "PASS_TOKENS", 30)
    lengths = [5, 5, 10, 12, 14, 15, 15, 40]
    parts = list(passes.passes(tiny_model("llama"), [(3,) * length for length in lengths]))
    # 3 x 10; 2 x 14, since 3 x 15 are 45; 2 x 15; the last is too long for any company.
    assert [lengths[part] for part in parts] == [[5, 5, 10], [12, 14], [15, 15], [40]]
    alone = list(passes.passes(tiny_model("jamba"), [(3,) * length for length in lengths]))
    assert [lengths[part] for part in alone] == [[length] for length in lengths]


@pytest.mark.parametrize("pass_tokens", [1, 30])
@pytest.mark.parametrize("family", ["llama", "gemma3", "bloom", "jamba"])
def test_sources_are_read_no_deeper_than_needed(
    family: str, pass_tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "PASS_TOKENS", pass_tokens)
    model = tiny_model(family)
    requests = [Request(*prompts(k), BLOCK, [(1, 2)]) for k in range(5)]
    with hooks(on_output=[(model.layers[2], lambda hidden: deep.append(hidden.shape[1]))]):
        deep: list[int] = []
        transplant_all(model, requests, NEW_TOKENS)
    prefixes = sorted((target[:-1] for target in TARGETS), key=len)
    longest = [max(map(len, prefixes[part])) for part in passes.passes(model, prefixes)]
    lengths = [length for length in deep if length > 1]
    assert lengths == [length for length in longest if length > 1], "a source was read too deep"


def vars_of(cell: Cell) -> tuple[int, int]:
    return cell.source_layer, cell.target_layer


def test_modules_and_sources_over_one_target_share_its_prefix_and_baseline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model("llama")
    read = []
    monkeypatch.setattr(
        decoding, "prefill", lambda m, ids, of=decoding.prefill: read.append(ids) or of(m, ids)
    )
    requests = [Request(SOURCE, TARGET, module) for module in MODULES]
    requests.append(Request(TARGET[1:], TARGET, MLP))
    grids = transplant_all(model, requests, NEW_TOKENS)
    assert read == [[tuple(TARGET[:-1])]]
    for request, grid in zip(requests, grids, strict=True):
        assert grid.baseline is grids[0].baseline
        assert grid == transplant(
            model, request.source, request.target, request.module, "full", NEW_TOKENS
        )
    assert len({tuple(grid.generations.values()) for grid in grids}) == len(grids)


@torch.inference_mode()
def teacher_forced(
    model: Model, layer: int | None, vector: torch.Tensor | None, option: tuple[int, ...]
) -> float:
    """Log-probability of an option by one plain forward pass over prompt and option."""
    ids = torch.tensor([[*TARGET, *option]])

    def write(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
        written = output.clone()
        written[:, len(TARGET) - 1] = vector
        return written

    handle = model.mlp[layer].register_forward_hook(write) if layer is not None else None
    logits = model.hf(input_ids=ids).logits[0]
    if handle:
        handle.remove()
    logprobs = logits.log_softmax(-1)
    places = range(len(TARGET) - 1, len(TARGET) - 1 + len(option))
    return sum(float(logprobs[p, t]) for p, t in zip(places, option, strict=True))


@pytest.mark.parametrize("new_tokens", [1, NEW_TOKENS])
@pytest.mark.parametrize("size", [3, None])
def test_option_logprobs_are_those_of_a_teacher_forced_pass(
    size: int | None, new_tokens: int
) -> None:
    model = tiny_model("llama")
    answer = oracle.generate(model, TARGET, 3)  # an option that a row also says by itself
    options = [*OPTIONS, answer, (answer[0], 12)]
    acts = {layer: oracle.capture_layer(model, SOURCE, MLP, layer) for layer in range(N_LAYERS)}
    requests = [
        Request(SOURCE, TARGET, MLP, options=options),
        Request(SOURCE, TARGET[1:], MLP, [(1, 1)]),
        Request(SOURCE, TARGET[2:], MLP, [(1, 1)], options=OPTIONS[:2]),
    ]
    grid, without, others = transplant_all(model, requests, new_tokens, size)
    assert without.baseline.option_logprobs is None
    assert others.baseline.option_logprobs is not None
    assert len(others.baseline.option_logprobs) == 2
    expected = [teacher_forced(model, None, None, option) for option in options]
    assert grid.baseline.option_logprobs == pytest.approx(expected, abs=1e-4)
    seen = set()
    for cell, generation in grid.generations.items():
        vector = acts[cell.source_layer]
        expected = [teacher_forced(model, cell.target_layer, vector, o) for o in options]
        assert generation.option_logprobs == pytest.approx(expected, abs=1e-4)
        assert generation.token_ids == oracle.transplant_cell(
            model, SOURCE, TARGET, MLP, cell, new_tokens
        )
        seen.add(round(expected[0], 3))
    assert len(seen) > N_LAYERS, "the cells must differ, or this shows little"


def test_out_of_memory_halves_the_batch_and_keeps_finished_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_model("llama")
    sizes = []

    def scarce(
        model: Model, cache: SharedPrefixCache, rows: Sequence[Row], *rest: Any, **options: Any
    ) -> list[Continuation]:
        sizes.append(len(rows))
        if len(rows) > 5:
            raise torch.OutOfMemoryError
        return decode_batch(model, cache, rows, *rest, **options)

    expected = transplant(model, SOURCE, TARGET, "mlp", max_new_tokens=NEW_TOKENS)
    monkeypatch.setattr(decoding, "decode_batch", scarce)
    assert transplant(model, SOURCE, TARGET, "mlp", max_new_tokens=NEW_TOKENS) == expected
    # A row that writes at layer 0, 1, 2, 3 or nowhere weighs 10, 8, 6, 4 or 2, an average one 5.
    # 17 rows weigh 114, and 8 average ones 40: three batches of about 38, as 4, 5 and 8 rows. The
    # last is too large and weighs 36; 4 average ones weigh 20: two batches of 18, 3 and 5 rows.
    assert sizes == [17, 4, 5, 8, 3, 5]

    monkeypatch.setattr(decoding, "decode_batch", lambda *_, **__: out_of_memory())
    with pytest.raises(ModelError, match="out of memory with a single row"):
        transplant(model, SOURCE, TARGET, "mlp", [(0, 0)], NEW_TOKENS)


def out_of_memory() -> None:
    raise torch.OutOfMemoryError


def test_out_of_memory_halves_the_prompts_that_are_read_together() -> None:
    model = tiny_model("llama")
    requests = [Request(*prompts(k), MLP, [(N_LAYERS - 1, 1)]) for k in range(len(TARGETS))]
    expected = transplant_all(model, requests, NEW_TOKENS)
    passes_read = []

    def scarce(at_most: int) -> Callable[[torch.Tensor], None]:
        def read(hidden_BPD: torch.Tensor) -> None:
            n_prompts, n_tokens, _ = hidden_BPD.shape
            if n_tokens > 1:  # no step
                passes_read.append(n_prompts)
                if n_prompts > at_most:
                    raise torch.OutOfMemoryError

        return read

    with hooks(on_input=[(model.layers[0], scarce(2))]):
        assert transplant_all(model, requests, NEW_TOKENS) == expected
    # Five source prompts, then five prefixes, of which one is a single token.
    halves = [5, 2, 3, 1, 2]
    assert passes_read == halves + halves
    with (
        hooks(on_input=[(model.layers[0], scarce(0))]),
        pytest.raises(torch.OutOfMemoryError),
    ):
        transplant_all(model, requests, NEW_TOKENS)


@pytest.mark.parametrize("in_a_step", [False, True])
def test_processes_that_share_a_model_do_not_retry_alone(
    in_a_step: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model("llama")
    attempts = []

    def scarce(hidden_BPD: torch.Tensor) -> None:
        if (hidden_BPD.shape[1] == 1) == in_a_step:
            attempts.append(hidden_BPD.shape[0])
            raise torch.OutOfMemoryError

    monkeypatch.setattr(distributed, "is_torchelastic_launched", lambda: True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    requests = [Request(*prompts(k), MLP, [(N_LAYERS - 1, 1)]) for k in range(2)]
    with hooks(on_input=[(model.layers[0], scarce)]), pytest.raises(torch.OutOfMemoryError):
        transplant_all(model, requests, NEW_TOKENS)
    assert len(attempts) == 1


def test_what_a_failed_attempt_made_is_gone_before_the_next(no_gc: None) -> None:
    class Made:
        pass

    attempts: list[weakref.ref[Made]] = []

    def work(items: Sequence[int]) -> int:
        assert all(made() is None for made in attempts)
        made = Made()
        attempts.append(weakref.ref(made))
        if len(items) > 1:
            raise torch.OutOfMemoryError
        return 10 * items[0]

    assert list(passes.in_halves(work, [1, 2, 3])) == [([1], 10), ([2], 20), ([3], 30)]
    assert len(attempts) == 5


def test_prefixes_of_a_group_are_gone_before_the_next_are_read(
    no_gc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[weakref.ref[Prefixes]] = []

    def watched(model: Model, prompts: Sequence[Sequence[int]]) -> Prefixes:
        assert all(prefixes() is None for prefixes in kept)
        prefixes = prefill(model, prompts)
        kept.append(weakref.ref(prefixes))
        return prefixes

    prefill = decoding.prefill
    monkeypatch.setattr(decoding, "prefill", watched)
    requests = [Request(*prompts(k), MLP, [(3, 1)]) for k in range(len(TARGETS))]
    transplant_all(tiny_model("llama"), requests, NEW_TOKENS, rows_per_batch=4)
    assert len(kept) == 3  # two rows a prompt


@pytest.fixture
def no_gc() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("side", ["source", "target"])
def test_numbers_that_are_not_finite_name_the_request(side: str) -> None:
    model = tiny_model("llama")
    embeddings = model.hf.get_input_embeddings().weight
    good, bad = [3, 4, 5], [3, 90, 5]
    before = embeddings[90].detach().clone()
    try:
        with torch.no_grad():
            embeddings[90] = torch.nan
        pairs = [(good, good[1:]), (bad, good) if side == "source" else (good, bad)]
        requests = [Request(*pair, name=f"instance {k}") for k, pair in enumerate(pairs)]
        with pytest.raises(NumericsError, match=f"^instance 1: {side} prompt: NaN .* layer 0"):
            transplant_all(model, requests, NEW_TOKENS)
    finally:
        with torch.no_grad():
            embeddings[90] = before


@pytest.mark.parametrize("name", ["max_new_tokens", "rows_per_batch"])
@pytest.mark.parametrize("value", [0, -5])
def test_numbers_below_one_are_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"^{name} {value}; allowed: 1 or more"):
        transplant(tiny_model("llama"), SOURCE, TARGET, "mlp", **{name: value})


@pytest.mark.parametrize("short", [(), (5,)])
def test_a_prompt_object_is_checked_as_ids_are(short: tuple[int, ...]) -> None:
    with pytest.raises(PromptError, match="two tokens or more"):
        transplant(tiny_model("llama"), SOURCE, Prompt(short), "mlp", [(0, 0)])


@pytest.mark.parametrize("option", [(), (5, 101), (-1,)])
def test_an_option_without_tokens_or_outside_the_vocabulary_is_refused(
    option: tuple[int, ...],
) -> None:
    request = Request(SOURCE, TARGET, MLP, [(0, 0)], options=[(5,), option], name="instance 7")
    with pytest.raises(PromptError, match=r"^instance 7: option 1 "):
        transplant_all(tiny_model("llama"), [request], NEW_TOKENS)


@pytest.mark.parametrize("option", ["(A)", 5, [1.5]])
def test_an_option_that_is_no_token_ids_is_refused(option: Any) -> None:
    request = Request(SOURCE, TARGET, MLP, [(0, 0)], options=[(5,), option])
    with pytest.raises(PromptError, match=r"^option 1 is .*; allowed: a list of token ids$"):
        transplant_all(tiny_model("llama"), [request], NEW_TOKENS)
