"""Text to token ids and back; the only place that tokenises. No model and no task is known here."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence, Set
from operator import index
from typing import Any

from jinja2 import TemplateError

from xtransplant.errors import PromptError
from xtransplant.types import Instance, Prompt, PromptPair


def encode(tokenizer: Any, prompt: str | Sequence[int] | Prompt) -> Prompt:
    """Return text or token ids as a prompt; text gets the tokenizer's usual special tokens.

    A text that already starts with the beginning-of-sequence token gets no second one.

    Raises:
        PromptError: the prompt is empty, a single token, or neither text nor token ids. Engines
            share the tokens before the last one, so there must be some.
    """
    if isinstance(prompt, Prompt):
        ids, text = list(prompt.token_ids), prompt.text
        shown = str(ids[:8])
    elif isinstance(prompt, str):
        ids, text = _token_ids(tokenizer, prompt), prompt
        shown = repr(text if len(text) <= 40 else text[:39] + "…")
    else:
        ids, text = token_ids(prompt, "prompt", "text or a list of token ids"), None
        shown = str(ids[:8])
    if not ids or (text is not None and not text.strip()):
        raise PromptError(f"empty prompt {shown}; a prompt needs two tokens or more")
    if len(ids) == 1:
        raise PromptError(f"prompt {shown} is a single token; a prompt needs two tokens or more")
    return Prompt(tuple(ids), text)


def token_ids(value: object, what: str, allowed: str = "a list of token ids") -> list[int]:
    """Return a sequence of integers of any kind as a list, or raise PromptError."""
    try:
        # Bytes are integers too, and sets have no order.
        if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | Set):
            return [index(token) for token in value]
    except TypeError:
        pass
    raise PromptError(f"{what} is {value!r:.60}; allowed: {allowed}")


def encode_pair(tokenizer: Any, instance: Instance, chat: bool = False) -> PromptPair:
    """Encode both prompts of an instance.

    Args:
        tokenizer: of the checkpoint.
        instance: has the two texts.
        chat: whether a prompt is a user's turn in the checkpoint's chat template.

    Raises:
        PromptError: a prompt that cannot be encoded; the message names instance and side.
    """
    return PromptPair(
        *(
            _encode_side(tokenizer, instance, side, text, chat)
            for side, text in (("source", instance.source), ("target", instance.target))
        )
    )


def answered(prompt: str, answer: str) -> str:
    """Return a prompt followed by its answer.

    A space is put between them unless the prompt ends in white space or in a wide character, as of
    Chinese or Japanese text.
    """
    last = prompt[-1:]
    no_space = not last or last.isspace() or unicodedata.east_asian_width(last) in "WF"
    return prompt + answer if no_space else f"{prompt} {answer}"


def encode_options(
    tokenizer: Any, prompt: Prompt, markers: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Return the token ids of each option's marker as the continuation of a prompt.

    The text is that of `answered`. The prompt's ids stay as they are, so a marker whose first token
    would include the end of the prompt is encoded by itself.
    """
    text = prompt.text or ""
    options = []
    for marker in markers:
        whole = answered(text, marker)
        answer = whole[len(text) :]
        ids = tuple(_token_ids(tokenizer, whole))
        n = len(prompt.token_ids)
        if ids[:n] != prompt.token_ids or len(ids) == n:
            ids, n = tuple(tokenizer(answer, add_special_tokens=False)["input_ids"]), 0
        options.append(ids[n:])
    return tuple(options)


def require_room(prompt: Prompt, max_new_tokens: int, context_length: int, name: str) -> None:
    """Raise PromptError unless the prompt and its answer fit the model's context."""
    needed = len(prompt.token_ids) + max_new_tokens
    if needed > context_length:
        answer, advice = "", ""
        if max_new_tokens:
            answer = f", with {max_new_tokens} new ones {needed}"
            advice = " or lower decode.max_new_tokens"
        raise PromptError(
            f"{name} has {len(prompt.token_ids)} tokens{answer}; "
            f"the model's context is {context_length}: shorten the prompt{advice}"
        )


def decode_text(tokenizer: Any, token_ids: Sequence[int]) -> str:
    """Return generated ids as text, without special tokens, as the authors' code does."""
    text = tokenizer.decode(
        list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    assert isinstance(text, str)
    return text


def _token_ids(tokenizer: Any, text: str) -> list[int]:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PromptError(f"prompt {text!r:.60} holds bytes that are no text in UTF-8")
    ids = list(tokenizer(text)["input_ids"])
    bos = tokenizer.bos_token_id
    return ids[1:] if bos is not None and ids[:2] == [bos, bos] else ids


def _encode_side(tokenizer: Any, instance: Instance, side: str, text: str, chat: bool) -> Prompt:
    try:
        return encode(tokenizer, _as_chat(tokenizer, text) if chat else text)
    except PromptError as error:
        where = f"{side} prompt of instance {instance.id} ({instance.language})"
        raise PromptError(f"{where}: {error}") from error


def _as_chat(tokenizer: Any, text: str) -> str:
    """Return a text as the user's turn in the chat template, up to where the answer begins."""
    if not tokenizer.chat_template:
        raise PromptError("the tokenizer has no chat template; set prompt.style=plain or few_shot")
    turns = [{"role": "user", "content": text}]
    try:
        shown = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise PromptError(
            f"the tokenizer's chat template fails: {' '.join(str(error).split())}; set "
            "prompt.style=plain or few_shot"
        ) from error
    assert isinstance(shown, str)
    return shown
