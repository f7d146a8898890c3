"""Bug fixes that changed prompts, and the runs that each of them affects.

A run from before such a fix must not be continued with other prompts. So the fix enters the run key
of the runs whose prompts it changed, and of no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xtransplant.prompts.chat import DATE
from xtransplant.prompts.styles import Style
from xtransplant.prompts.tokenise import added_at_end, encode, is_hangul
from xtransplant.types import Instance, PromptPair


def corrections(
    tokenizer: Any,
    prompts: Iterable[tuple[Instance, PromptPair]],
    style: Style,
    *,
    keep_end: bool,
) -> list[str]:
    """Return the names of the fixes that changed any of a run's prompts.

    `chat_ids`: a chat has only the special tokens of its template, none added by the tokenizer.
    `chat_date`: a template that prints the date prints a fixed one.
    `no_end`: a causal model's prompt does not end in the token that the tokenizer adds at the end.
    `hangul_space`: there is a space between Korean text and an answer.

    Args:
        tokenizer: tokenizer of the run.
        prompts: instances of the run with their prompts.
        style: style of the prompts.
        keep_end: whether an end token is kept, as for `tokenise.encode`.
    """
    pairs = list(prompts)
    found = set()
    if style.chat:
        if DATE.search(tokenizer.get_chat_template()):
            found.add("chat_date")
        first = pairs[0][1].target
        if first.text and encode(tokenizer, first.text, keep_end=True).token_ids != first.token_ids:
            found.add("chat_ids")
    elif not keep_end and added_at_end(tokenizer):
        found.add("no_end")
    for instance, pair in pairs:
        sides = (pair.source, pair.target) if style.shots else (pair.target,)
        ends = any(is_hangul(side.text[-1]) for side in sides if side.text)
        if ends and (style.shots or instance.options):
            found.add("hangul_space")
    return sorted(found)
