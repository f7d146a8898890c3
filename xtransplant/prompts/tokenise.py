"""Text to token ids and back; the only module that tokenises."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence, Set
from operator import index
from typing import Any

from xtransplant.errors import PromptError
from xtransplant.prompts.chat import render_chat
from xtransplant.types import Instance, Prompt, PromptPair


def encode(
    tokenizer: Any, prompt: str | Sequence[int] | Prompt, *, keep_end: bool = False
) -> Prompt:
    """Return text or token ids as a prompt; text gets the tokenizer's usual special tokens.

    A text that already starts with the beginning-of-sequence token gets no second one.

    Args:
        tokenizer: Hugging Face tokenizer.
        prompt: text or token ids.
        keep_end: whether to keep tokens that the tokenizer adds at the end of a text. Encoders are
            trained with them; a causal model would begin its answer after the end.

    Raises:
        PromptError: the prompt is empty, a single token, or neither text nor token ids. (Engines
            need at least one token before the last one.)
    """
    if isinstance(prompt, Prompt):
        ids, text = list(prompt.token_ids), prompt.text
        shown = str(ids[:8])
    elif isinstance(prompt, str):
        ids, text = _token_ids(tokenizer, prompt, keep_end=keep_end), prompt
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
    """Return a sequence of integers of any kind as a list; raise PromptError for anything else."""
    try:
        # Bytes are integers too, and sets have no order.
        if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | Set):
            return [index(token) for token in value]
    except TypeError:
        pass
    raise PromptError(f"{what} is {value!r:.60}; allowed: {allowed}")


def encode_pair(
    tokenizer: Any, instance: Instance, *, chat: bool = False, keep_end: bool = False
) -> PromptPair:
    """Encode both prompts of an instance.

    Args:
        tokenizer: tokenizer of the checkpoint.
        instance: instance with the two texts.
        chat: whether to put each prompt into the checkpoint's chat template, as a user's turn.
        keep_end: whether to keep end tokens, as for `encode`.

    Raises:
        PromptError: a prompt cannot be encoded; the message names instance and side.
    """
    return PromptPair(
        *(
            _encode_side(tokenizer, instance, side, text, chat=chat, keep_end=keep_end)
            for side, text in (("source", instance.source), ("target", instance.target))
        )
    )


def answered(prompt: str, answer: str) -> str:
    """Return a prompt followed by its answer.

    A space comes between them, unless the prompt ends in white space or in a character of Chinese
    or Japanese text (a wide character that is not Hangul).
    """
    last = prompt[-1:]
    no_space = not last or last.isspace() or (_is_wide(last) and not is_hangul(last))
    return prompt + answer if no_space else f"{prompt} {answer}"


def is_hangul(character: str) -> bool:
    """Return whether a character is of the Korean script, which separates words by spaces."""
    return unicodedata.name(character, "").startswith(("HANGUL", "HALFWIDTH HANGUL"))


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def encode_options(
    tokenizer: Any, prompt: Prompt, markers: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Return the token ids of each option's marker as the continuation of a prompt.

    The text is that of `answered`. The prompt's own ids never change: a marker whose first token
    would include the end of the prompt is encoded by itself.
    """
    return tuple(_encode_option(tokenizer, prompt, marker) for marker in markers)


def _encode_option(tokenizer: Any, prompt: Prompt, marker: str) -> tuple[int, ...]:
    text, n = prompt.text or "", len(prompt.token_ids)
    whole = answered(text, marker)
    for special in (True, False):  # the text of a chat already contains its special tokens
        ids = tuple(_token_ids(tokenizer, whole, special=special))
        if ids[:n] == prompt.token_ids and len(ids) > n:
            return ids[n:]
    return tuple(tokenizer(whole[len(text) :], add_special_tokens=False)["input_ids"])


def require_room(prompt: Prompt, max_new_tokens: int, context_length: int, name: str) -> None:
    """Raise PromptError unless the prompt and its answer fit into the model's context."""
    needed = len(prompt.token_ids) + max_new_tokens
    if needed > context_length:
        answer, advice = "", ""
        if max_new_tokens:
            answer = f", {needed} with {max_new_tokens} new ones"
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


def added_at_end(tokenizer: Any) -> int:
    """Return the number of tokens that the tokenizer adds at the end of a text."""
    ids = list(tokenizer("a")["input_ids"])
    bare = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    for n in range(len(ids) - len(bare) + 1):
        if ids[len(ids) - n - len(bare) : len(ids) - n] == bare:
            return n
    return 0


def _token_ids(
    tokenizer: Any, text: str, *, keep_end: bool = False, special: bool = True
) -> list[int]:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PromptError(f"prompt {text!r:.60} contains bytes that are not UTF-8 text")
    ids = list(tokenizer(text, add_special_tokens=special)["input_ids"])
    if special and not keep_end:
        ids = ids[: len(ids) - added_at_end(tokenizer)]
    bos = tokenizer.bos_token_id
    return ids[1:] if bos is not None and ids[:2] == [bos, bos] else ids


def _encode_side(
    tokenizer: Any, instance: Instance, side: str, text: str, *, chat: bool, keep_end: bool
) -> Prompt:
    try:
        if chat:
            shown, ids = render_chat(tokenizer, text)
            return encode(tokenizer, Prompt(ids, shown))
        return encode(tokenizer, text, keep_end=keep_end)
    except PromptError as error:
        where = f"{side} prompt of instance {instance.id} ({instance.language})"
        raise PromptError(f"{where}: {error}") from error
