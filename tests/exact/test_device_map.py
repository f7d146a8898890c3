"""Layers in several places: weights that accelerate fetches from disk for each pass."""

from pathlib import Path

import pytest
import torch
from accelerate import dispatch_model
from families import SOURCE, TARGET, tiny_model

from xtransplant.engine.transplant import transplant
from xtransplant.models.families import Model


def spread(model: Model, folder: Path) -> Model:
    """Keep embeddings and the second layer, and put the other layers and the unembedding away."""
    names = ["model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head"]
    places = dict.fromkeys(names, "cpu") | {
        f"model.layers.{number}": "cpu" if number == 1 else "disk"
        for number in range(model.n_layers)
    }
    dispatch_model(model.hf, places | {"lm_head": "disk"}, main_device="cpu", offload_dir=folder)
    return model


@pytest.mark.parametrize("family", ["llama", "gemma2", "qwen3_next"])
def test_tokens_are_those_of_one_place(family: str, tmp_path: Path) -> None:
    expected = transplant(tiny_model(family), SOURCE, TARGET, "mlp", max_new_tokens=6)
    # Not the cached model: the other tests would go on with one that is spread.
    model = spread(tiny_model.__wrapped__(family), tmp_path)
    assert next(model.layers[0].parameters()).device == torch.device("meta")
    assert model.device == torch.device("cpu")
    found = transplant(model, SOURCE, TARGET, "mlp", max_new_tokens=6)
    assert found.baseline.token_ids == expected.baseline.token_ids
    tokens = {cell: one.token_ids for cell, one in found.generations.items()}
    assert tokens == {cell: one.token_ids for cell, one in expected.generations.items()}
    assert len(set(tokens.values())) > 1
