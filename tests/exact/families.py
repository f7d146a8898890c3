"""Tiny random models, one for each family: one line adds a family to every exactness test."""

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)

from xtransplant.models.families import Model, find_parts

VOCABULARY = 101
N_LAYERS = 4
SOURCE = [3 + (7 * k) % 97 for k in range(14)]
TARGET = [5 + (11 * k) % 89 for k in range(11)]
"""Both are longer than the windows below, and the source is the longer one."""

# Gemma adds each module's output behind a norm of its own, to embeddings that it scales up: with
# small random weights no transplant would change a token. Smaller embeddings let it.
CONFIGS: dict[str, tuple[type, dict[str, Any], float]] = {
    "llama": (LlamaConfig, {}, 1.0),
    "mistral": (MistralConfig, {"sliding_window": 6}, 1.0),
    "qwen2": (Qwen2Config, {}, 1.0),
    "qwen3": (Qwen3Config, {}, 1.0),
    "gemma2": (Gemma2Config, {"sliding_window": 6, "query_pre_attn_scalar": 8}, 0.02),
    "gemma3": (
        Gemma3TextConfig,
        {
            "sliding_window": 6,
            "query_pre_attn_scalar": 8,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        },
        0.02,
    ),
}


@cache
def tiny_model(family: str, eos_token_id: int | None = None) -> Model:
    config_class, extra, embedding_scale = CONFIGS[family]
    config = config_class(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        **extra,
    )
    torch.manual_seed(1)
    hf = AutoModelForCausalLM.from_config(config).eval()
    hf.get_input_embeddings().weight.data *= embedding_scale
    hf.generation_config = GenerationConfig(eos_token_id=eos_token_id, pad_token_id=0)
    hf.config.eos_token_id = eos_token_id
    return find_parts(hf, tokenizer(), id=f"tiny {family}")


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{k}": k for k in range(VOCABULARY)}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")))
