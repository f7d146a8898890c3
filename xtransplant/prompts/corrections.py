"""Fixes that changed what a model reads, and the runs that each of them touches.

Runs of before such a fix must not go on with other prompts, so the fix enters the run key of the
runs whose prompts it changed, and of no others.
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

    `chat_ids`: a chat has the special tokens of its template alone, none that the tokenizer adds.
    `chat_date`: a template that prints the date prints a fixed one.
    `no_end`: a causal model's prompt lacks the token with which the tokenizer ends a text.
    `hangul_space`: a space stands between Korean text and an answer.

    Args:
        tokenizer: of the run.
        prompts: of the run.
        style: their style.
        keep_end: as for `tokenise.encode`.
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
