"""The unembedding by blocks finds the tokens that the table of all logits would."""

import pytest
import torch
from families import CONFIGS, TARGET, tiny_model

from xtransplant.engine import oracle, unembedding
from xtransplant.engine.transplant import transplant


@pytest.mark.parametrize("block", [7, 101, 4096])
@pytest.mark.parametrize("family", CONFIGS)
def test_any_block_size_gives_the_same_tokens(
    family: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unembedding, "BLOCK", block)
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
    best = unembedding.BestByBlock(plain)
    hidden = torch.ones(1, 1, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unembedding, "BLOCK", 4)
        maxima = best.forward(hidden)
    assert maxima.tolist() == [[[4.0, 0.0, 4.0]]]
    assert best.tokens(maxima[:, -1].argmax(-1, keepdim=True)).tolist() == [[3]]
    with pytest.raises(ZeroDivisionError), unembedding.best_by_block(model.hf):
        assert "forward" in vars(layer)
        raise ZeroDivisionError
    assert "forward" not in vars(layer)
