"""A user's own file of prompts: its path, its rows and its languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xtransplant.config.schema import TaskConfig
from xtransplant.errors import DataError
from xtransplant.jsonl import read_json_lines

REQUIRED = ("id", "language", "source", "target", "gold")


def own_file(task: TaskConfig) -> Path:
    """Return the path of the user's prompt file; raise DataError if there is none."""
    if not task.file:
        raise DataError(f"task {task.name} has no file; give one: task.file=my.jsonl")
    path = Path(task.file).expanduser()
    if not path.is_file():
        raise DataError(f"no file at task.file={task.file!r}; check the path")
    return path


def languages_in(path: Path) -> list[str]:
    """Return the languages of a file, in the order in which they first appear.

    Raises:
        DataError: a line has no language; the message has the line number.
    """
    languages = []
    for number, row in enumerate(read_json_lines(path), start=1):
        where = f"{path}:{number}"
        languages.append(row_language(row_object(row, where), where))
    return list(dict.fromkeys(languages))


def row_object(row: object, where: str) -> Mapping[str, Any]:
    """Return a row if it is a JSON object; raise DataError otherwise."""
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object with {', '.join(REQUIRED)}")
    return row


def row_text(row: Mapping[str, Any], name: str, where: str) -> str:
    """Return a field of a row if it is a non-blank text; raise DataError otherwise."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: field {name!r} must be a text, not {value!r:.40}")
    return value


def row_language(row: Mapping[str, Any], where: str) -> str:
    """Return a row's language code; raise DataError if it is not a code, as file names need one."""
    language = row_text(row, "language", where)
    if not re.fullmatch(r"\w[\w-]*", language):
        raise DataError(
            f"{where}: field 'language' must be a code such as sw or zh-CN, not {language!r:.40}"
        )
    return language
