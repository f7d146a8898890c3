"""Which of a pair of prompts is the source: the pivot's or the one in the study's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from xtransplant.registry import handlers
from xtransplant.types import Direction

T = TypeVar("T")
Side = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Sides:
    """On which side the pivot's prompt is, and on which the prompt in language X."""

    pivot: Side
    language: Side


SIDES = handlers(
    "direction",
    Direction,
    {
        Direction.EN_TO_X: Sides(pivot="source", language="target"),
        Direction.X_TO_EN: Sides(pivot="target", language="source"),
    },
)
"""By direction."""


def source_and_target(direction: Direction, of_pivot: T, of_language: T) -> tuple[T, T]:
    """Return what belongs to the pivot and to language X in the order source, target."""
    if SIDES[direction].pivot == "source":
        return of_pivot, of_language
    return of_language, of_pivot
