"""What a value of `prompt.style` does to a prompt."""

from __future__ import annotations

from dataclasses import dataclass

from xtransplant.config.schema import PROMPT_STYLES
from xtransplant.registry import handlers


@dataclass(frozen=True, slots=True)
class Style:
    """How prompts are put to the model.

    Attributes:
        chat: as a user's turn in the checkpoint's chat template.
        shots: after answered questions.
    """

    chat: bool = False
    shots: bool = False


STYLES = handlers(
    "prompt.style",
    PROMPT_STYLES,
    {"plain": Style(), "chat": Style(chat=True), "few_shot": Style(shots=True)},
)
"""By value."""
