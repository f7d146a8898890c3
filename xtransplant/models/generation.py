"""Settings of greedy decoding: a checkpoint's special tokens, and none of its other settings."""

from __future__ import annotations

from typing import Any

from transformers import GenerationConfig

from xtransplant.errors import ModelError

_SPECIAL_TOKENS = (
    *("bos_token_id", "eos_token_id", "pad_token_id"),
    *("decoder_start_token_id", "forced_bos_token_id"),
)


def greedy(hf: Any) -> GenerationConfig:
    """Return settings of plain greedy decoding with the checkpoint's special tokens.

    A checkpoint's generation_config.json may set a repetition penalty, or forced or suppressed
    tokens (Qwen2-7B-Instruct: repetition_penalty 1.05), which the method does not use. `generate`
    would apply them to greedy decoding too. Even if it is given a GenerationConfig, it fills unset
    fields from the model's own, so the model's own is replaced.
    """
    own, text_config = hf.generation_config, hf.config.get_text_config()
    tokens = {}
    for name in _SPECIAL_TOKENS:
        token = getattr(own, name, None)
        tokens[name] = getattr(text_config, name, None) if token is None else token
    return GenerationConfig(**tokens)


def eos_token_ids(hf: Any) -> frozenset[int]:
    """Return the tokens that end an answer; `generate` takes the same ones from the checkpoint.

    Raises:
        ModelError: the checkpoint gives something else as their ids.
    """
    eos = hf.generation_config.eos_token_id
    if eos is None:
        eos = hf.config.get_text_config().eos_token_id
    if eos is None:
        return frozenset()
    ids = eos if isinstance(eos, list | tuple) else [eos]
    if not all(type(id) is int for id in ids):
        raise ModelError(f"the checkpoint has eos_token_id={eos!r:.80}; allowed: token ids")
    return frozenset(ids)
