"""The questions of task `pocket`, about a small invented world; they ship with the package.

A split is a folder with one file per language, `<split>/<language>.jsonl`. A line is a JSON object
with the texts `id`, `source` (English), `target` (in the language) and `gold` (a name).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from xtransplant.errors import DataError, unknown
from xtransplant.jsonl import read_json_lines
from xtransplant.tasks.lazy_instance import LazyInstance, lazy_instances_of
from xtransplant.tasks.sides import source_and_target
from xtransplant.types import Direction, Instance

PACKAGED = Path(__file__).parents[1] / "assets" / "pocket" / "task"
FIELDS = ("id", "source", "target", "gold")


class Pocket:
    """The packaged questions, or those in a folder with the same layout.

    Args:
        data_dir: folder of the splits; None for the packaged questions.
        english: language of `source`.
        pivot: language of the other prompt of every pair; None for the language of `source`.
    """

    draws_splits = False
    uses_translations = False
    lacking: Mapping[str, int] = MappingProxyType({})

    def __init__(self, data_dir: Path | None, english: str, pivot: str | None = None) -> None:
        self._root = data_dir or PACKAGED
        self._english, self._pivot = english, pivot or english

    def lazy_instances(self, split: str, language: str, direction: Direction) -> list[LazyInstance]:
        """Return the questions of one language; `x_to_en` swaps the prompts.

        Raises:
            DataError: the folder, split or language does not exist, or a line is malformed; the
                message has file and line number.
        """
        folder = self._split_folder(split)
        rows = _rows(folder, language)
        of_pivot = {row["id"]: row["source"] for row in rows}
        if self._pivot != self._english:
            of_pivot = {row["id"]: row["target"] for row in _rows(folder, self._pivot)}
        if missing := [row["id"] for row in rows if row["id"] not in of_pivot]:
            raise DataError(
                f"question {missing[0]} is there in {language!r}, but not in {self._pivot!r}, in "
                f"{folder}; choose another pivot"
            )
        languages = source_and_target(direction, self._pivot, language)
        return lazy_instances_of(
            Instance(
                id=row["id"],
                language=language,
                source_language=languages[0],
                target_language=languages[1],
                source=prompts[0],
                target=prompts[1],
                gold=row["gold"],
            )
            for row in rows
            for prompts in [source_and_target(direction, of_pivot[row["id"]], row["target"])]
        )

    def fingerprint(self, split: str) -> str:
        """Return the SHA-256 of all files of a split: their names and bytes."""
        digest = hashlib.sha256()
        for path in sorted(self._split_folder(split).glob("*.jsonl")):
            content = path.read_bytes()
            digest.update(f"{path.name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def _split_folder(self, split: str) -> Path:
        if not self._root.is_dir():
            raise DataError(f"no folder at task.data_dir={str(self._root)!r}; check the path")
        if not (self._root / split).is_dir():
            splits = [path.name for path in self._root.glob("*") if path.is_dir()]
            raise DataError(unknown("split", split, splits, f"in {self._root}"))
        return self._root / split


def _rows(folder: Path, language: str) -> list[dict[str, str]]:
    path = folder / f"{language}.jsonl"
    if not path.is_file():
        raise DataError(unknown("language", language, [p.stem for p in folder.glob("*.jsonl")]))
    values = read_json_lines(path)
    return [_row(value, f"{path}:{number}") for number, value in enumerate(values, start=1)]


def _row(value: object, where: str) -> dict[str, str]:
    row = value if isinstance(value, dict) else {}
    texts = {name: row[name] for name in FIELDS if isinstance(row.get(name), str)}
    if not (len(texts) == len(FIELDS) and all(map(str.strip, texts.values()))):
        raise DataError(f"{where}: expected an object with the texts {', '.join(FIELDS)}")
    return texts
