"""The tokens that the decoder of an encoder-decoder model starts with."""

from __future__ import annotations

from typing import Any

from xtransplant.errors import ModelError, unknown


def decoder_prompt(hf: Any) -> tuple[int, ...]:
    """Return the tokens that the decoder starts with: the start token and any language token.

    Raises:
        ModelError: neither the generation settings nor the configuration have a start token.
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
    """Return the id of a language token such as fra_Latn (NLLB), fr_XX (mBART) or __fr__ (M2M100).

    Raises:
        ModelError: the tokenizer lacks the token, or the model is not an encoder-decoder model.
    """
    if not config.is_encoder_decoder:
        raise ModelError(
            f"language token {token!r} needs an encoder-decoder model, and {id!r} is not one; "
            "leave model.language_token out"
        )
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if token not in vocabulary:
        special = set(tokenizer.all_special_tokens) | set(tokenizer.get_added_vocab())
        raise ModelError(unknown("language token", token, special, f"of {id!r}"))
    return vocabulary[token]
