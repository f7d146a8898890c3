"""The engine's attention function refuses what it does not know instead of leaving it out."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig
from transformers.cache_utils import DynamicCache
from transformers.masking_utils import (
    create_causal_mask,
    create_chunked_causal_mask,
    create_sliding_window_causal_mask,
)

from xtransplant.engine.prefix_cache import IMPLEMENTATION, _attention_function
from xtransplant.errors import ModelError


def mask(create: Any, **config: Any) -> Any:
    arguments = LlamaConfig(**config)
    arguments._attn_implementation = IMPLEMENTATION
    return create(
        arguments, inputs_embeds=torch.zeros(1, 1, 8), attention_mask=None,
        past_key_values=DynamicCache(),
    )  # fmt: skip


def test_a_mask_is_the_length_of_the_window_or_none() -> None:
    assert mask(create_causal_mask) is None
    assert int(mask(create_sliding_window_causal_mask, sliding_window=6)) == 6


def test_another_pattern_is_refused() -> None:
    with pytest.raises(ModelError, match="pattern other than a sliding window"):
        mask(create_chunked_causal_mask, attention_chunk_size=6)


def test_an_unknown_argument_is_refused() -> None:
    tensors = [torch.zeros(1, 1, 1, 8)] * 3
    module = SimpleNamespace(layer_idx=0)
    with pytest.raises(ModelError, match="SimpleNamespace takes 'position_bias'"):
        _attention_function(module, *tensors, None, scaling=1.0, position_bias=torch.zeros(1))
    with pytest.raises(LookupError):  # it goes on to the cache, and there is none
        _attention_function(module, *tensors, None, scaling=1.0, position_bias=None, dropout=0.0)
