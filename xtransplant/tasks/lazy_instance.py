"""Lazy instances: rendered and translated only if a run uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from xtransplant.types import Instance


@dataclass(frozen=True, slots=True)
class LazyInstance:
    """An instance's id and cluster, by which splits and shots are drawn, and a way to build it.

    Attributes:
        id: id of the instance.
        cluster: cluster of the instance; "" for none.
        build: function that builds the instance.
        lines: file and line number of each prompt that is in a file, by side ("source" or
            "target").
    """

    id: str
    cluster: str
    build: Callable[[], Instance]
    lines: Mapping[str, str] = field(default_factory=dict)


def lazy_instances_of(instances: Iterable[Instance], **files: Path) -> list[LazyInstance]:
    """Wrap instances that exist already.

    Args:
        instances: instances in the order of their lines.
        files: files with one prompt per line, under the names `source` and `target`.
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
