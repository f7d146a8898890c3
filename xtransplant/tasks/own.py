"""Prompts of one's own: a JSONL file, one object a line, {id, language, source, target, gold}.

Further fields may be `options` (markers as the prompts show them, such as ["(A)", "(B)"]), then
`gold` is a bare key ("A"); `aliases` (further right answers); `cluster`; `category`. The prompt in
`language` may be left out and is then the translation of the other one.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xtransplant.config.prompts_file import REQUIRED, row_language, row_object, row_text
from xtransplant.errors import DataError, unknown
from xtransplant.jsonl import read_bytes, read_json_lines
from xtransplant.tasks.hub_task import Translate
from xtransplant.tasks.lazy_instance import Draft
from xtransplant.tasks.translations import translate_prompt
from xtransplant.types import Direction, Instance, Option

OPTIONAL = ("options", "aliases", "cluster", "category")


class OwnPrompts:
    """The rows of a file (`xtransplant.tasks.loaders.TaskSource`).

    Args:
        path: of the JSONL file.
        pivot: the language of the prompt that is not in the row's `language`.
        translate: asked for prompts that are left out.
    """

    draws_splits = True
    uses_translations = False
    lacking: Mapping[str, int] = MappingProxyType({})

    def __init__(self, path: Path, pivot: str, translate: Translate) -> None:
        self._path = path
        self._pivot = pivot
        self._translate = translate

    def drafts(self, split: str, language: str, direction: Direction) -> list[Draft]:
        """Return a draft of each row of a language; the whole file is checked.

        Raises:
            DataError: a malformed line or one whose id was there before, with its number; a
                language without rows.
        """
        del split
        rows = read_json_lines(self._path)
        seen: dict[tuple[str, str], int] = {}
        drafts = []
        for number, row in enumerate(rows, start=1):
            where = f"{self._path}:{number}"
            checked = _checked(row, where, direction)
            name = (checked["language"], _as_read(checked["id"]))
            if name in seen:
                raise DataError(
                    f"{where}: id {checked['id']!r} of language {name[0]!r} is that of line "
                    f"{seen[name]}; give each instance its own"
                )
            seen[name] = number
            self.uses_translations |= None in (checked["source"], checked["target"])
            if name[0] == language:
                build = partial(self._instance, checked, direction)
                lines = {"source": where, "target": where}
                drafts.append(Draft(checked["id"], checked["cluster"] or "", build, lines))
        if not drafts:
            there = {name for name, _ in seen}
            raise DataError(unknown("language", language, there, f"in {self._path}"))
        return drafts

    def fingerprint(self, split: str) -> str:
        """Return the digest of the file."""
        del split
        return hashlib.sha256(read_bytes(self._path)).hexdigest()

    def _instance(self, row: Mapping[str, Any], direction: Direction) -> Instance:
        markers = tuple(row.get("options") or ())
        source, target = row["source"], row["target"]
        translated = source is None or target is None
        if source is None:
            source = translate_prompt(self._translate, target, row["language"], markers)
        if target is None:
            target = translate_prompt(self._translate, source, row["language"], markers)
        into_x = direction is Direction.EN_TO_X
        return Instance(
            id=row["id"],
            language=row["language"],
            source_language=self._pivot if into_x else row["language"],
            target_language=row["language"] if into_x else self._pivot,
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
    """Return an id as a reader sees it: composed letters, no invisible ones, no space around it."""
    seen = "".join(letter for letter in id if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFC", seen).strip()


def _checked(value: object, where: str, direction: Direction) -> dict[str, Any]:
    """Return a row with all required fields, the prompt in `language` possibly None."""
    row = row_object(value, where)
    for name in row:
        if name not in (*REQUIRED, *OPTIONAL):
            raise DataError(f"{where}: {unknown('field', str(name), (*REQUIRED, *OPTIONAL))}")
    may_lack = "target" if direction is Direction.EN_TO_X else "source"
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
