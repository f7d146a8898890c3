"""The prompts of a run's instances as the model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xtransplant.config.schema import RunConfig
from xtransplant.models.families import context_length
from xtransplant.prompts.styles import STYLES
from xtransplant.prompts.tokenise import encode_options, encode_pair, require_room
from xtransplant.types import Instance, PromptPair


def prompt_pairs(
    config: RunConfig,
    language: str,
    instances: Sequence[Instance],
    tokenizer: Any,
    model_config: Any,
) -> list[PromptPair]:
    """Return the prompts of a language's instances.

    Raises:
        PromptError: a prompt and its answer are longer than the model's context.
    """
    room_of_model = context_length(model_config.get_text_config())
    # In an encoder-decoder model, the answer takes no room from the prompt.
    new_tokens = 0 if model_config.is_encoder_decoder else config.decode.max_new_tokens
    chat, keep_end = STYLES[config.prompt.style].chat, model_config.is_encoder_decoder
    prompts = [encode_pair(tokenizer, one, chat=chat, keep_end=keep_end) for one in instances]
    for instance, pair in zip(instances, prompts, strict=True):
        where = f"prompt of instance {instance.id} ({language})"
        require_room(pair.source, 0, room_of_model, f"source {where}")
        room = room_of_model - len(pair.target.token_ids)
        # A marker has at most one token more than bytes, so only long ones are encoded here.
        markers = [option.marker for option in instance.options if new_tokens]
        long = [marker for marker in markers if len(marker.encode()) + 1 > room]
        options = encode_options(tokenizer, pair.target, long)
        answer = max([new_tokens, *map(len, options)])
        require_room(pair.target, answer, room_of_model, f"target {where}")
    return prompts
