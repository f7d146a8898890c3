"""Tasks: one file per data source, which turns rows into instances and does nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from xtransplant.tasks import authors, pocket
from xtransplant.types import Direction, Instance


class TaskSource(Protocol):
    """What a data source offers; a module with these two functions is one."""

    def load(
        self,
        data_dir: Path | None,
        split: str,
        language: str,
        pivot: str,
        direction: Direction,
    ) -> list[Instance]:
        """Return the instances of one language, the same rows in the same order in each.

        Args:
            data_dir: folder of the data; None where the source needs none.
            split: one of the task's splits.
            language: the study's language X.
            pivot: the language of the other prompt, usually English.
            direction: whether the pivot's prompt is the source (`en_to_x`) or the target.

        Raises:
            DataError: data that is missing or malformed, with file and line number.
        """
        ...

    def fingerprint(self, data_dir: Path | None, split: str) -> str:
        """Return a digest of the content that `load` reads, in every language; paths do not count.

        Raises:
            DataError: data that is missing.
        """
        ...


LOADERS: dict[str, TaskSource] = {"authors_xnli": authors.XNLI, "pocket": pocket}
"""By the task's `loader`."""
