"""The division of instances into a sample and an unseen rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xtransplant.config.schema import SAMPLE_UNITS
from xtransplant.errors import DataError, unknown
from xtransplant.registry import handlers
from xtransplant.tasks.lazy_instance import LazyInstance

SPLITS = ("sample", "unseen", "all")


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of drawing: single instances or clusters.

    Attributes:
        name: function that returns the name of the unit that an instance belongs to.
        whole_clusters: whether splits, limits and parts keep a cluster's instances together.
    """

    name: Callable[[LazyInstance], str]
    whole_clusters: bool


UNITS = handlers(
    "task.sample_by",
    SAMPLE_UNITS,
    {
        "id": Unit(lambda each: each.id, whole_clusters=False),
        "cluster": Unit(lambda each: each.cluster or each.id, whole_clusters=True),
    },
)
"""Units by value of `task.sample_by`."""


def draw_split(
    pool: Sequence[LazyInstance], split: str, *, size: int, seed: int, unit: Unit
) -> list[LazyInstance]:
    """Return the instances of a split, in the order of `pool`.

    Units are ranked by a hash of seed and name. The first `size` are the sample, the others are
    unseen. A rank depends only on seed and name, so languages with the same units have the same
    sample.

    Args:
        pool: all instances of one language.
        split: "sample", "unseen" or "all".
        size: number of units in the sample.
        seed: seed of the ranking.
        unit: unit of drawing.

    Raises:
        DataError: the split is unknown.
    """
    if split not in SPLITS:
        raise DataError(unknown("split", split, SPLITS))
    if split == "all":
        return list(pool)
    ranked = sorted({unit.name(each) for each in pool}, key=lambda name: rank(name, seed))
    sample = set(ranked[:size])
    return [each for each in pool if (unit.name(each) in sample) == (split == "sample")]


def selection_split(splits: Sequence[str]) -> str:
    """Return the split from which everything is learned: `sample` if there, else the first one.

    Args:
        splits: of the task, in its order.
    """
    return "sample" if "sample" in splits else splits[0]


def rank(name: str, seed: int) -> str:
    """Return the sort key of a unit: a hash of seed and name."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def cluster_of(text: str) -> str:
    """Return a cluster's name for a text: 12 hexadecimal characters of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
