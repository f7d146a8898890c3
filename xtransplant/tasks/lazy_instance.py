"""Instances that are not made yet, so that only those of a run are put in words or translated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from xtransplant.types import Instance


@dataclass(frozen=True, slots=True)
class Draft:
    """What splits and shots are drawn by, and what makes the instance.

    `lines` tells in which file and line each prompt stands ("source", "target"), where it does.
    """

    id: str
    cluster: str
    build: Callable[[], Instance]
    lines: Mapping[str, str] = field(default_factory=dict)


def drafts_of(instances: Iterable[Instance], **files: Path) -> list[Draft]:
    """Return drafts of instances that are there already.

    Args:
        instances: in the order of their lines.
        files: `source` and `target`: where their prompts stand, one a line.
    """
    return [
        Draft(
            each.id,
            each.cluster,
            partial(_same, each),
            {side: f"{path}:{number}" for side, path in files.items()},
        )
        for number, each in enumerate(instances, start=1)
    ]


def _same(instance: Instance) -> Instance:
    return instance
