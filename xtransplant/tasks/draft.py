"""Instances that are not made yet, so that only those of a run are put in words or translated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from xtransplant.types import Instance


@dataclass(frozen=True, slots=True)
class Draft:
    """What splits and shots are drawn by, and what makes the instance."""

    id: str
    cluster: str
    build: Callable[[], Instance]


def drafts_of(instances: Iterable[Instance]) -> list[Draft]:
    """Return drafts of instances that are there already."""
    return [Draft(each.id, each.cluster, partial(_same, each)) for each in instances]


def _same(instance: Instance) -> Instance:
    return instance
