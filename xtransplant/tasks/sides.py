"""The roles of a pair of prompts: whether the source is in the pivot or in language X."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

from xtransplant.registry import handlers
from xtransplant.types import Direction

T = TypeVar("T")
Side = Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Sides:
    """The side of the pivot's prompt, and the side of the prompt in language X."""

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
"""Sides by direction."""


def source_and_target(direction: Direction, of_pivot: T, of_language: T) -> tuple[T, T]:
    """Return the values of the pivot and of language X in the order source, target."""
    if SIDES[direction].pivot == "source":
        return of_pivot, of_language
    return of_language, of_pivot
