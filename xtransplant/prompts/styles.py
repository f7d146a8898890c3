"""The values of `prompt.style`."""

from __future__ import annotations

from dataclasses import dataclass

from xtransplant.config.schema import PROMPT_STYLES
from xtransplant.registry import handlers


@dataclass(frozen=True, slots=True)
class Style:
    """A style of prompts.

    Attributes:
        chat: whether a prompt is a user's turn in the checkpoint's chat template.
        shots: whether answered questions come before the question.
    """

    chat: bool = False
    shots: bool = False


STYLES = handlers(
    "prompt.style",
    PROMPT_STYLES,
    {"plain": Style(), "chat": Style(chat=True), "few_shot": Style(shots=True)},
)
"""Styles by value of `prompt.style`."""
