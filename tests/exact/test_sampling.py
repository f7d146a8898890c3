"""The control `samples`: tokens drawn from the untouched model equal those of a naive sampler."""

from collections import Counter
from collections.abc import Sequence

import encoder_decoders
import numpy as np
import pytest
import torch
from against_oracle import NEW_TOKENS, naive
from families import CONFIGS, N_LAYERS, SOURCE, TARGET, tiny_model
from samples import all_pairs
from scipy import stats
from test_engine import token_that_ends_some

from xtransplant.engine import oracle
from xtransplant.engine.request import Request
from xtransplant.engine.sampling import Draws, Sampling, drawn_tokens
from xtransplant.engine.transplant import TransplantGrid, transplant, transplant_all
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks
from xtransplant.types import Cell

CELLS = [(2, 1), (0, 0), (1, 2), (2, 2)]
TARGETS = [TARGET, SOURCE[:5], TARGET[2:]]
FAMILIES = ("llama", "gemma3", "qwen2 with windows", "gpt_oss", "bloom", "jamba", "qwen3_next")


def sampled(
    model: Model, size: int | None, temperature: float = 1.0, **more: object
) -> list[TransplantGrid]:
    """Return the grids of three prompts, which share batches."""
    requests = [
        Request(SOURCE, target, cells=CELLS, sampling=Sampling(10 + k, temperature), **more)
        for k, target in enumerate(TARGETS)
    ]
    return transplant_all(model, requests, NEW_TOKENS, size)


def assert_equals_sampler(
    model: Model, grids: Sequence[TransplantGrid], temperature: float
) -> None:
    different = 0
    for k, (target, grid) in enumerate(zip(TARGETS, grids, strict=True)):
        assert grid.baseline.token_ids == naive(model, (SOURCE, target))
        for cell, found in grid.generations.items():
            expected = oracle.sample(
                model, target, NEW_TOKENS, seed=10 + k, cell=cell, temperature=temperature
            )
            assert found.token_ids == expected, cell
            different += expected != grid.baseline.token_ids
    assert different > len(TARGETS), "drawn tokens must differ from the likeliest ones"


@all_pairs(family=FAMILIES, size=(2, None), temperature=(1.0, 0.6))
def test_tries_equal_the_naive_sampler(family: str, size: int | None, temperature: float) -> None:
    model = tiny_model(family)
    assert_equals_sampler(model, sampled(model, size, temperature), temperature)


@pytest.mark.exact
@pytest.mark.parametrize("size", [1, 3, None])
@pytest.mark.parametrize("family", CONFIGS)
def test_tries_equal_the_naive_sampler_in_every_family(family: str, size: int | None) -> None:
    model = tiny_model(family)
    assert_equals_sampler(model, sampled(model, size, options=[(5, 6), (5, 7)]), 1.0)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_tries_of_an_encoder_decoder_equal_the_naive_sampler(family: str) -> None:
    model = encoder_decoders.tiny_model(family)
    assert_equals_sampler(model, sampled(model, None, 2.0), 2.0)


def test_tries_that_end_early_equal_the_naive_sampler() -> None:
    endless = [
        g.token_ids
        for grid in sampled(tiny_model("llama"), None)
        for g in grid.generations.values()
    ]
    model = tiny_model("llama", token_that_ends_some(endless))
    grids = sampled(model, 4)
    assert_equals_sampler(model, grids, 1.0)
    assert {g.finish for grid in grids for g in grid.generations.values()} == {"eos", "length"}


def test_neither_order_nor_company_changes_a_try() -> None:
    model = tiny_model("llama")
    whole = transplant_all(model, [Request(SOURCE, TARGET, sampling=Sampling(4))], NEW_TOKENS)[0]
    for cells in ([(2, 1)], [(3, 3), (2, 1), (0, 0)]):
        request = Request(SOURCE, TARGET, "block", cells, sampling=Sampling(4))
        (some,) = transplant_all(model, [request], NEW_TOKENS, 2)
        assert some.generations == {cell: whole.generations[cell] for cell in some.cells}
    assert len(set(whole.generations.values())) > 4
    other = transplant_all(model, [Request(SOURCE, TARGET, sampling=Sampling(5))], NEW_TOKENS)[0]
    assert other.generations != whole.generations


def test_towards_temperature_0_every_try_is_the_baseline() -> None:
    for grid in sampled(tiny_model("llama"), None, 1e-6):
        assert {g.token_ids for g in grid.generations.values()} == {grid.baseline.token_ids}


def test_option_logprobs_stay_those_of_the_model() -> None:
    model, options = tiny_model("llama"), [(5, 6, 9), (5, 7, 9), (11,)]
    grids = sampled(model, None, options=options)
    assert_equals_sampler(model, grids, 1.0)
    for target, grid in zip(TARGETS, grids, strict=True):
        request = Request(SOURCE, target, cells="none", options=options)
        (untouched,) = transplant_all(model, [request], NEW_TOKENS)
        for generation in grid.generations.values():
            assert generation.option_logprobs == pytest.approx(
                untouched.baseline.option_logprobs, abs=1e-4
            )


def test_rows_with_one_history_share_all_layers() -> None:
    model, rows = tiny_model("llama"), []
    with hooks(on_output=[(model.layers[-1], lambda hidden: rows.append(hidden.shape[:2]))]):
        (grid,) = transplant_all(model, [Request(SOURCE, TARGET, sampling=Sampling(1))], 4)
    tokens = [grid.baseline.token_ids, *(g.token_ids for g in grid.generations.values())]
    n_histories = [len({t[:step] for t in tokens}) for step in range(4)]
    assert [n for n, n_tokens in rows if n_tokens == 1] == n_histories
    assert n_histories[0] == 1 < n_histories[1] < len(tokens)


@torch.inference_mode()
def test_two_thousand_draws_match_the_distribution_of_the_model() -> None:
    model = tiny_model("llama")
    requests = [Request(SOURCE, TARGET, sampling=Sampling(seed)) for seed in range(125)]
    grids = transplant_all(model, requests, 2)
    drawn = [g.token_ids for grid in grids for g in grid.generations.values()]
    assert len(drawn) == 2000
    logits = model.hf(input_ids=torch.tensor([TARGET])).logits[0, -1]
    assert chi_square_p(Counter(t[0] for t in drawn), logits.softmax(-1).numpy()) > 0.001
    (most, n), *_ = Counter(t[0] for t in drawn).most_common(1)
    second = model.hf(input_ids=torch.tensor([[*TARGET, most]])).logits[0, -1].softmax(-1).numpy()
    assert n > 50
    assert chi_square_p(Counter(t[1] for t in drawn if t[0] == most), second) > 0.001
    # A distribution that is a little flatter would be seen.
    flatter = (logits / 1.2).softmax(-1).numpy()
    assert chi_square_p(Counter(t[0] for t in drawn), flatter) < 1e-6


def chi_square_p(counts: Counter[int], probabilities: np.ndarray) -> float:
    """Return the p-value of a chi-square test; tokens expected less than 5 times are one."""
    total = sum(counts.values())
    expected = total * probabilities.astype(np.float64) / probabilities.sum()
    often = np.flatnonzero(expected >= 5)
    seen = np.array([counts[token] for token in often])
    seen = np.append(seen, total - seen.sum())
    wanted = np.append(expected[often], total - expected[often].sum())
    return float(stats.chisquare(seen, wanted * seen.sum() / wanted.sum()).pvalue)


def test_uniform_numbers_are_spread_evenly_and_do_not_repeat() -> None:
    tries = [
        Draws(Sampling(seed), Cell(i, j)) for seed in range(5) for i in range(8) for j in range(8)
    ]
    numbers = np.array([draws.uniform(step) for draws in tries for step in range(20)])
    assert len(set(numbers.tolist())) == len(numbers)
    assert numbers.min() >= 0 and numbers.max() < 1
    assert stats.kstest(numbers, "uniform").pvalue > 0.001


def test_the_cumulative_distribution_is_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    logits_RV = torch.tensor([[0.0, -1.1]]).repeat(1, 100_000)
    exact = np.cumsum(np.exp(logits_RV[0].numpy().astype(np.longdouble)))
    tries = [Draws(Sampling(seed), Cell(0, 0)) for seed in range(20)]
    numbers = [draws.uniform(3) for draws in tries]
    expected = [int(np.searchsorted(exact, u * exact[-1], side="right")) for u in numbers]
    assert drawn_tokens(logits_RV, [0] * 20, tries, 3).tolist() == expected
    # A token without probability is never drawn.
    monkeypatch.setattr(Draws, "uniform", lambda *_: 0.0)
    logits_RV = torch.tensor([[-torch.inf, 0.0, -torch.inf]])
    assert drawn_tokens(logits_RV, [0], tries[:1], 0).tolist() == [1]


def test_the_baseline_alone_reads_no_source() -> None:
    model, lengths = tiny_model("llama"), []
    with hooks(on_input=[(model.layers[0], lambda hidden: lengths.append(hidden.shape[1]))]):
        grid = transplant(model, SOURCE, TARGET, "mlp", "none", NEW_TOKENS)
    assert grid.cells == () and grid.baseline.token_ids == naive(model, (SOURCE, TARGET))
    assert len(SOURCE) not in lengths and grid.n_layers == N_LAYERS
