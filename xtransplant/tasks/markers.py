"""Whether prompts show the markers of all of their options; shipped translations lose some."""

from __future__ import annotations

from xtransplant.errors import DataError
from xtransplant.types import ASCII_PARENTHESES, Instance


def lost_marker(instance: Instance) -> tuple[str, str] | None:
    """Return a side ("target" or "source") and a marker that its prompt lost; None if none did.

    Raises:
        DataError: a gold answer outside the options.
    """
    keys = [option.key for option in instance.options]
    if keys and instance.gold not in keys:
        raise DataError(
            f"instance {instance.id} ({instance.language}): gold answer {instance.gold!r} is none "
            f"of its options {', '.join(keys)}; check task.keys"
        )
    for side, prompt in (("target", instance.target), ("source", instance.source)):
        if missing := _missing(instance, prompt):
            return side, missing
    return None


def _missing(instance: Instance, prompt: str) -> str | None:
    shown = prompt.translate(ASCII_PARENTHESES)
    markers = (option.marker.translate(ASCII_PARENTHESES) for option in instance.options)
    return next((marker for marker in markers if marker not in shown), None)
