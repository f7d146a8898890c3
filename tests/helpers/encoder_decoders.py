"""Tiny random encoder-decoder models: one line adds a family to every exactness test."""

from functools import cache
from typing import Any

import torch
from families import SOURCE, TARGET, VOCABULARY, tokenizer
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    GenerationConfig,
    M2M100Config,
    MarianConfig,
    MBartConfig,
    MT5Config,
    PegasusConfig,
    T5Config,
    UMT5Config,
)

from xtransplant.models.families import Model, find_parts

__all__ = ["CONFIGS", "N_DECODER_LAYERS", "N_ENCODER_LAYERS", "SOURCE", "TARGET", "tiny_model"]
N_ENCODER_LAYERS, N_DECODER_LAYERS = 4, 3
"""For T5, `generate` makes a cache of as many layers as the encoder has: no fewer will do."""

_T5 = {
    **{"d_model": 32, "d_kv": 8, "d_ff": 64, "num_heads": 4, "num_layers": N_ENCODER_LAYERS},
    **{"num_decoder_layers": N_DECODER_LAYERS, "relative_attention_num_buckets": 8},
    "relative_attention_max_distance": 16,
}
_BART = {
    **{"d_model": 32, "encoder_layers": N_ENCODER_LAYERS, "decoder_layers": N_DECODER_LAYERS},
    **{"encoder_attention_heads": 4, "decoder_attention_heads": 4},
    **{"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64},
}

# Class, settings, the decoder's prompt (a start token, and in some a language token), and the
# spread of random weights and of random embeddings: usual ones are so small for a tiny width that
# no transplant would change a token, or so large that each token would be followed by itself.
CONFIGS: dict[str, tuple[type, dict[str, Any], tuple[int, ...], float, float]] = {
    "t5": (T5Config, _T5, (0,), 0.5, 0.5),
    "t5, gated": (T5Config, {**_T5, "feed_forward_proj": "gated-gelu"}, (0,), 0.5, 0.5),
    "mt5": (MT5Config, _T5, (0,), 0.5, 0.1),
    "umt5": (UMT5Config, _T5, (0,), 0.5, 0.5),
    "bart": (BartConfig, _BART, (2, 1), 0.2, 0.15),
    "mbart": (MBartConfig, _BART, (2, 7), 0.5, 0.5),
    "m2m_100": (M2M100Config, _BART, (2, 9), 0.5, 0.1),
    "marian": (MarianConfig, _BART, (3,), 0.25, 0.5),
    "pegasus": (PegasusConfig, _BART, (0,), 0.5, 0.1),
}


@cache
def tiny_model(family: str, eos_token_id: int | None = None) -> Model:
    config_class, settings, decoder_prompt, std, embedding_std = CONFIGS[family]
    config = config_class(
        vocab_size=VOCABULARY,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=4,
        forced_eos_token_id=None,
        **settings,
    )
    torch.manual_seed(1)
    hf = AutoModelForSeq2SeqLM.from_config(config).eval()
    for name, weight in hf.named_parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, embedding_std if "embed" in name or "shared" in name else std)
    start, *language = decoder_prompt
    hf.generation_config = GenerationConfig(
        eos_token_id=eos_token_id,
        pad_token_id=4,
        decoder_start_token_id=start,
        forced_bos_token_id=language[0] if language else None,
    )
    hf.config.eos_token_id = eos_token_id
    hf.config.forced_bos_token_id = None
    return find_parts(hf, tokenizer(), id=f"tiny {family}")
