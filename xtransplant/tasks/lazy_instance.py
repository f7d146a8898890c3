"""Lazy instances: rendered and translated only if a run uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from xtransplant.types import Instance


@dataclass(frozen=True, slots=True)
class LazyInstance:
    """What splits and shots are drawn by, and a function that makes the instance.

    Attributes:
        id: of the instance.
        cluster: of the instance, "" for none.
        build: makes the instance.
        lines: file and line number of the prompts that stand in a file, by side ("source",
            "target").
    """

    id: str
    cluster: str
    build: Callable[[], Instance]
    lines: Mapping[str, str] = field(default_factory=dict)


def lazy_instances_of(instances: Iterable[Instance], **files: Path) -> list[LazyInstance]:
    """Wrap instances that exist already.

    Args:
        instances: in the order of their lines.
        files: `source` and `target`: files that hold the prompts, one a line.
    """
    return [
        LazyInstance(
            each.id,
            each.cluster,
            partial(_same, each),
            {side: f"{path}:{number}" for side, path in files.items()},
        )
        for number, each in enumerate(instances, start=1)
    ]


def _same(instance: Instance) -> Instance:
    return instance
