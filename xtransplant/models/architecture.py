"""What is special about encoder-decoder models: two numbers of layers, and a decoder's prompt."""

from __future__ import annotations

from typing import Any

from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from xtransplant.errors import LayerError, ModelError, unknown
from xtransplant.types import ModuleType

MODULES = (ModuleType.CROSS_ATTN, ModuleType.ENCODER_BLOCK)
"""Those that only encoder-decoder models have."""

_DECODER_LAYERS = ("num_decoder_layers", "decoder_layers")
"""What configurations call the number of decoder layers."""


def auto_class(config: Any) -> Any:
    """Return the class by which transformers makes a language model of this configuration."""
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def n_layers(config: Any, module: ModuleType) -> int:
    """N: the number of layers that have a module, as the model's configuration tells it.

    Raises:
        LayerError: a module of encoder-decoder models, and this is none.
    """
    if not config.is_encoder_decoder:
        if module in MODULES:
            allowed = ", ".join(other for other in ModuleType if other not in MODULES)
            raise LayerError(
                f"module {str(module)!r} is of encoder-decoder models, and {config.model_type} is "
                f"none; allowed: {allowed}"
            )
        return int(config.get_text_config().num_hidden_layers)
    # T5 calls the encoder's layers num_layers, for which num_hidden_layers stands.
    names = ("encoder_layers",) if module is ModuleType.ENCODER_BLOCK else _DECODER_LAYERS
    found = [getattr(config, name, None) for name in (*names, "num_hidden_layers")]
    return next(int(n) for n in found if n is not None)


def decoder_prompt(hf: Any) -> tuple[int, ...]:
    """Return the start token, and the language token where the answer is to begin with one.

    Raises:
        ModelError: neither generation settings nor configuration name a start token.
    """
    start, language = _token(hf, "decoder_start_token_id"), _token(hf, "forced_bos_token_id")
    if start is None:
        raise ModelError(
            f"{hf.config.model_type} checkpoint without decoder_start_token_id in its "
            "generation_config.json; the decoder needs a first token: add it there"
        )
    return (start,) if language is None else (start, language)


def _token(hf: Any, name: str) -> int | None:
    token = getattr(hf.generation_config, name, None)
    return getattr(hf.config, name, None) if token is None else int(token)


def language_token_id(config: Any, tokenizer: Any, token: str, id: str) -> int:
    """Return the id of a language token, such as fra_Latn (NLLB), fr_XX (mBART), __fr__ (M2M100).

    Raises:
        ModelError: the tokenizer has no such token, or the model no decoder of its own.
    """
    if not config.is_encoder_decoder:
        raise ModelError(
            f"language token {token!r} is for encoder-decoder models, and {id!r} is none; "
            "leave model.language_token out"
        )
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if token not in vocabulary:
        special = set(tokenizer.all_special_tokens) | set(tokenizer.get_added_vocab())
        raise ModelError(unknown("language token", token, special, f"of {id!r}"))
    return vocabulary[token]
