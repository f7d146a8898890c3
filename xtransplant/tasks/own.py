"""The user's own prompts: a JSONL file, one object a line, {id, language, source, target, gold}.

Optional fields are `options` (markers as the prompts show them, such as ["(A)", "(B)"]; `gold` is
then a bare key such as "A"), `aliases` (other right answers), `cluster` and `category`. If the
prompt in `language` is left out, it is translated from the other one.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xtransplant.config.prompts_file import REQUIRED, row_language, row_object, row_text
from xtransplant.errors import DataError, unknown
from xtransplant.jsonl import read_bytes, read_json_lines
from xtransplant.tasks.hub_task import Translate
from xtransplant.tasks.lazy_instance import LazyInstance
from xtransplant.tasks.sides import SIDES, source_and_target
from xtransplant.tasks.translations import translate_prompt
from xtransplant.types import Direction, Instance, Option

SIDES_OF_A_LINE = ("source", "target")
OPTIONAL = ("options", "aliases", "cluster", "category")


class OwnPrompts:
    """The rows of a file (`xtransplant.tasks.loaders.TaskSource`).

    Args:
        path: path of the JSONL file.
        other: language of the prompt that is not in the row's `language`.
        translate: function that translates prompts that are left out.
        pivot: language of the other prompt of every pair: `other`, or a language of the file.
    """

    draws_splits = True
    uses_translations = False
    lacking: Mapping[str, int] = MappingProxyType({})

    def __init__(
        self, path: Path, other: str, translate: Translate, pivot: str | None = None
    ) -> None:
        self._path = path
        self._other, self._pivot = other, pivot or other
        self._translate = translate

    def lazy_instances(self, split: str, language: str, direction: Direction) -> list[LazyInstance]:
        """Return every row of a language; the whole file is checked.

        Raises:
            DataError: a line is malformed or repeats an id (the message has the line number); the
                language has no rows; or the pivot's prompts would be the targets, for which there
                is no gold answer.
        """
        del split
        if self._pivot != self._other and direction is not Direction.EN_TO_X:
            raise DataError(
                f"pivot={self._pivot} with direction={direction} would ask for answers in "
                f"{self._pivot!r}, and a line of {self._path} holds the answer to its own target "
                f"prompt alone; allowed: pivot={self._other} or direction={Direction.EN_TO_X}"
            )
        rows = read_json_lines(self._path)
        seen: dict[tuple[str, str], int] = {}
        kept: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}
        for number, row in enumerate(rows, start=1):
            where = f"{self._path}:{number}"
            checked = _checked(row, where, direction)
            name = (checked["language"], _as_read(checked["id"]))
            if name in seen:
                raise DataError(
                    f"{where}: id {checked['id']!r} of language {name[0]!r} is also in line "
                    f"{seen[name]}; give each instance its own"
                )
            seen[name] = number
            self.uses_translations |= None in (checked["source"], checked["target"])
            kept[name] = checked, where
        asked = {id: row for (code, id), row in kept.items() if code == language}
        if not asked:
            there = {name for name, _ in seen}
            raise DataError(unknown("language", language, there, f"in {self._path}"))
        builds = {id: partial(self._instance, row, direction) for id, (row, _) in asked.items()}
        if self._pivot != self._other:
            of_pivot = {id: row for (code, id), (row, _) in kept.items() if code == self._pivot}
            builds = {
                id: partial(self._paired, asked[id][0], of_pivot[id], direction)
                for id in asked
                if id in of_pivot
            }
        if n_lacking := len(asked) - len(builds):
            self.lacking = {**self.lacking, language: n_lacking}
        return [
            LazyInstance(
                row["id"], row["cluster"] or "", builds[id], dict.fromkeys(SIDES_OF_A_LINE, where)
            )
            for id, (row, where) in asked.items()
            if id in builds
        ]

    def fingerprint(self, split: str) -> str:
        """Return the digest of the file."""
        del split
        return hashlib.sha256(read_bytes(self._path)).hexdigest()

    def _paired(
        self, row: Mapping[str, Any], of_pivot: Mapping[str, Any], direction: Direction
    ) -> Instance:
        """Return a row as an instance whose source is the target prompt of the pivot's row."""
        own, other = self._instance(row, direction), self._instance(of_pivot, direction)
        return replace(
            own,
            source=other.target,
            source_language=self._pivot,
            source_gold=other.gold if other.gold != own.gold else None,
            machine_translated=own.machine_translated or other.machine_translated,
        )

    def _instance(self, row: Mapping[str, Any], direction: Direction) -> Instance:
        markers = tuple(row.get("options") or ())
        source, target = row["source"], row["target"]
        translated = source is None or target is None
        if source is None:
            source = translate_prompt(self._translate, target, row["language"], markers)
        if target is None:
            target = translate_prompt(self._translate, source, row["language"], markers)
        languages = source_and_target(direction, self._other, row["language"])
        return Instance(
            id=row["id"],
            language=row["language"],
            source_language=languages[0],
            target_language=languages[1],
            source=source,
            target=target,
            gold=row["gold"],
            options=tuple(Option(marker) for marker in markers),
            aliases=tuple(row.get("aliases") or ()),
            cluster=row.get("cluster") or "",
            category=row.get("category"),
            machine_translated=translated,
        )


def _as_read(id: str) -> str:
    """Return an id as a reader sees it: composed letters, no invisible ones, no outer spaces."""
    seen = "".join(letter for letter in id if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFC", seen).strip()


def _checked(value: object, where: str, direction: Direction) -> dict[str, Any]:
    """Return a row with all fields; the prompt in `language` and optional fields may be None."""
    row = row_object(value, where)
    for name in row:
        if name not in (*REQUIRED, *OPTIONAL):
            raise DataError(f"{where}: {unknown('field', str(name), (*REQUIRED, *OPTIONAL))}")
    may_lack = SIDES[direction].language
    for name in REQUIRED:
        if not (name == may_lack and row.get(name) is None):
            row_text(row, name, where)
    row_language(row, where)
    for name in ("options", "aliases"):
        value = row.get(name)
        if value is not None and not (
            isinstance(value, list)
            and all(isinstance(each, str) and each.strip() for each in value)
        ):
            raise DataError(f"{where}: field {name!r} must be a list of texts, not {value!r:.40}")
    for name in ("cluster", "category"):
        if not isinstance(row.get(name), str | None):
            raise DataError(f"{where}: field {name!r} must be a text, not {row[name]!r:.40}")
    keys = [Option(marker).key for marker in row.get("options") or ()]
    if "" in keys:
        marker = row["options"][keys.index("")]
        raise DataError(f"{where}: option {marker!r} has no key; allowed: such as '(A)' or '1.'")
    if len(set(keys)) < len(keys):
        raise DataError(f"{where}: options {', '.join(row['options'])} are not all different")
    if keys and row["gold"] not in keys:
        raise DataError(f"{where}: {unknown('gold answer', row['gold'], keys)}")
    return {name: row.get(name) for name in (*REQUIRED, *OPTIONAL)}
