"""A check that prompts show the markers of all their options, and ways to treat those that do not.

Some translations that come with data sets have lost markers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xtransplant.config import schema
from xtransplant.errors import DataError
from xtransplant.registry import handlers
from xtransplant.types import ASCII_PARENTHESES, Instance


@dataclass(frozen=True, slots=True)
class LostMarker:
    """An option's marker that a prompt does not show; `side` is "target" or "source"."""

    side: str
    marker: str


def find_lost_marker(instance: Instance) -> LostMarker | None:
    """Return the first marker that a prompt lacks; None if it has all of them.

    Raises:
        DataError: the gold answer is not among the options.
    """
    keys = [option.key for option in instance.options]
    if keys and instance.gold not in keys:
        raise DataError(
            f"instance {instance.id} ({instance.language}): gold answer {instance.gold!r} is not "
            f"among its options {', '.join(keys)}; check task.keys"
        )
    for side, prompt in (("target", instance.target), ("source", instance.source)):
        if missing := _missing(instance, prompt):
            return LostMarker(side, missing)
    return None


def _missing(instance: Instance, prompt: str) -> str | None:
    shown = prompt.translate(ASCII_PARENTHESES)
    markers = (option.marker.translate(ASCII_PARENTHESES) for option in instance.options)
    return next((marker for marker in markers if marker not in shown), None)


def _refuse(lost: LostMarker, where: str) -> bool:
    raise DataError(
        f"{where}: option marker {lost.marker} is missing from the {lost.side} prompt; add it, or "
        "set task.lost_markers=keep or =drop"
    )


def _keep(lost: LostMarker, where: str) -> bool:
    return True


def _drop(lost: LostMarker, where: str) -> bool:
    return False


Decide = Callable[[LostMarker, str], bool]
"""Function of a lost marker and the prompt's place that returns whether to keep the instance."""

LOST_MARKERS = handlers(
    "task.lost_markers",
    schema.LOST_MARKERS,
    {"refuse": _refuse, "keep": _keep, "drop": _drop},
)
"""Decisions by value of `task.lost_markers`; `refuse` raises DataError."""
