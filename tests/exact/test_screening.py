"""Screening the vocabulary finds the tokens that the whole product does."""

import pytest
import torch
from families import CONFIGS, SOURCE, TARGET, tiny_model

from xtransplant.engine import oracle, screening
from xtransplant.engine.screening import Screen
from xtransplant.engine.transplant import transplant
from xtransplant.types import Cell, ModuleType

WIDTH = 64


def near_a_subspace(n_rows: int, n_directions: int, noise: float) -> torch.Tensor:
    """Return rows as a grid has them: [R, D] of a few directions, and a little of all others."""
    mixed = torch.randn(n_rows, n_directions) @ torch.randn(n_directions, WIDTH)
    return mixed + noise * torch.randn(n_rows, WIDTH)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the constants fit a vocabulary of some hundred tokens."""
    monkeypatch.setattr(screening, "SAMPLED", 5)
    monkeypatch.setattr(screening, "FARTHEST", 3)
    monkeypatch.setattr(screening, "CHUNK_TOKENS", 4)
    monkeypatch.setattr(screening, "MAX_CHUNKS", 9)
    monkeypatch.setattr(screening, "BLOCK_LOGITS", 1 << 11)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("n_tokens", [400, 403])
def test_every_row_gets_the_token_of_the_whole_product(n_tokens: int, noise: float) -> None:
    torch.manual_seed(0)
    weight = torch.randn(n_tokens, WIDTH) * torch.rand(n_tokens, 1)
    hidden = near_a_subspace(80, 6, noise)
    logits, tokens = Screen(weight).most_likely(hidden)
    whole = hidden @ weight.T
    assert tokens.tolist() == whole.argmax(-1).tolist()
    assert logits.tolist() == pytest.approx(whole.amax(-1).tolist(), abs=1e-4)


@pytest.mark.usefixtures("small")
def test_a_token_that_shows_only_outside_the_subspace_is_found() -> None:
    torch.manual_seed(1)
    hidden = near_a_subspace(80, 8, 0.0)
    outside = torch.linalg.svd(hidden).Vh[-1]
    hidden += outside * torch.linspace(0.1, 0.2, 80)[:, None]
    weight = torch.randn(400, WIDTH)
    weight -= (weight @ outside)[:, None] * outside
    weight[250] = 5000 * outside
    assert Screen(weight).most_likely(hidden)[1].tolist() == [250] * 80


@pytest.mark.usefixtures("small")
def test_few_products_are_needed_near_a_subspace(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    computed = []
    largest = Screen._largest

    def counted(
        screen: Screen, hidden: torch.Tensor, chunks: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        computed.append(len(chunks))
        return largest(screen, hidden, chunks)

    monkeypatch.setattr(Screen, "_largest", counted)
    screen = Screen(torch.randn(4000, WIDTH))
    screen.most_likely(near_a_subspace(200, 6, 1e-4))
    assert max(computed) <= 200  # of 1,000: no more than one for a row
    assert screen.pays(1000)


@pytest.mark.usefixtures("small")
def test_rows_that_lie_nowhere_end_the_screening() -> None:
    torch.manual_seed(4)
    screen = Screen(torch.randn(4000, WIDTH))
    assert screen.pays(1000)
    assert not screen.pays(16)  # as many directions as half of the rows
    hidden = torch.randn(200, WIDTH)
    assert (
        screen.most_likely(hidden)[1].tolist() == (hidden @ screen._weight_VD.T).argmax(-1).tolist()
    )
    assert not screen.pays(1000)


@pytest.mark.usefixtures("small")
def test_rows_of_which_none_can_be_screened_are_computed_in_full() -> None:
    torch.manual_seed(5)
    screen = Screen(torch.randn(400, WIDTH))
    logits, tokens = screen.most_likely(torch.zeros(80, WIDTH))  # every bound reaches every logit
    assert logits.tolist() == [0.0] * 80 and tokens.tolist() == [0] * 80
    assert not screen.pays(1000)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("family", CONFIGS)
def test_a_screened_grid_is_the_oracles(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screened = []
    most_likely = Screen.most_likely

    def seen(screen: Screen, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        screened.append(len(hidden))
        return most_likely(screen, hidden)

    monkeypatch.setattr(screening, "SAMPLED", 3)
    monkeypatch.setattr(screening, "FARTHEST", 2)
    monkeypatch.setattr(Screen, "pays", lambda self, n_rows: n_rows >= 5)
    monkeypatch.setattr(Screen, "most_likely", seen)
    model = tiny_model(family)
    grid = transplant(model, SOURCE, TARGET, "mlp", "full", 6)
    has_bias = model.hf.get_output_embeddings().bias is not None  # then no bounds hold
    assert bool(screened) is not has_bias
    for cell in [(3, 1), (1, 2)]:
        expected = oracle.transplant_cell(model, SOURCE, TARGET, ModuleType.MLP, Cell(*cell), 6)
        assert grid.generation(*cell).token_ids == expected
