"""The unembedding by blocks finds the tokens that the table of all logits would."""

import numpy as np
import pytest
import torch
from families import CONFIGS, TARGET, tiny_model

from xtransplant.engine import oracle, unembedding
from xtransplant.engine.transplant import transplant


@pytest.mark.parametrize(
    ("family", "block"),
    [(family, 7) for family in CONFIGS] + [("llama", block) for block in (101, 4096)],
)
def test_any_block_size_gives_the_same_tokens(
    family: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unembedding, "BLOCK_LOGITS", block)
    model = tiny_model(family)
    grid = transplant(model, TARGET[1:], TARGET, "mlp", [(0, 1)], 8)
    assert grid.baseline.token_ids == oracle.generate(model, TARGET, 8)


def test_equal_maxima_give_the_first_token_and_the_layer_is_as_before() -> None:
    model = tiny_model("llama")
    layer = model.hf.get_output_embeddings()
    weight = torch.zeros(10, 4)
    weight[[3, 8]] = 1.0
    plain = torch.nn.Linear(4, 10, bias=False)
    plain.weight = torch.nn.Parameter(weight)
    nothing = np.zeros(0, np.int64)
    blocks = unembedding.LogitBlocks(plain, nothing, nothing)
    hidden = torch.ones(1, 1, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unembedding, "BLOCK_LOGITS", 4)
        maxima = blocks.forward(hidden)
    assert maxima.tolist() == [[[4.0]]]
    assert blocks.tokens_R.tolist() == [3]
    with pytest.raises(ZeroDivisionError), unembedding.logit_blocks(model, nothing, nothing):
        assert "forward" in vars(layer)
        raise ZeroDivisionError
    assert "forward" not in vars(layer)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("block", [3, 40, 1000])
def test_log_probabilities_are_those_of_the_whole_table(
    block: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unembedding, "BLOCK_LOGITS", block)
    torch.manual_seed(0)
    plain = torch.nn.Linear(6, 50, bias=bias).requires_grad_(False)
    hidden = 9 * torch.randn(4, 1, 6)
    rows, tokens = np.array([3, 1, 1]), np.array([49, 0, 17])
    blocks = unembedding.LogitBlocks(plain, rows, tokens)
    blocks.forward(hidden)
    whole = plain(hidden)[:, 0].log_softmax(-1)
    assert blocks.logprobs_Q.tolist() == pytest.approx(whole[rows, tokens].tolist(), abs=1e-5)
    assert blocks.tokens_R.tolist() == whole.argmax(-1).tolist()


def test_rows_without_log_probabilities_are_screened_beside_the_others() -> None:
    torch.manual_seed(0)
    plain = torch.nn.Linear(6, 50, bias=False).requires_grad_(False)
    hidden, screened = torch.randn(5, 1, 6), []

    class Watched(unembedding.Screen):
        def pays(self, n_rows: int) -> bool:
            return True

        def most_likely(self, hidden_RD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            screened.append(hidden_RD)
            return (hidden_RD @ plain.weight.T).max(-1)

    wanted = np.array([3, 1]), np.array([49, 0])
    blocks = unembedding.LogitBlocks(plain, *wanted, Watched(plain.weight))
    maxima = blocks.forward(hidden)[:, 0, 0]
    whole = plain(hidden)[:, 0]
    assert [rows.tolist() for rows in screened] == [hidden[[0, 2, 4], 0].tolist()]
    assert blocks.tokens_R.tolist() == whole.argmax(-1).tolist()
    assert maxima.tolist() == pytest.approx(whole.amax(-1).tolist(), abs=1e-6)
    assert blocks.logprobs_Q.tolist() == pytest.approx(whole.log_softmax(-1)[wanted].tolist())


@pytest.mark.parametrize(("family", "raw"), [("llama", True), ("gemma2", False), ("cohere", False)])
def test_sums_are_kept_only_where_logits_stay_as_they_are(family: str, raw: bool) -> None:
    model = tiny_model(family)
    assert unembedding.runs_by_block(model, logprobs=False)
    assert unembedding.runs_by_block(model, logprobs=True) is raw
