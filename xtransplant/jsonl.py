"""Data files with one JSON value per line; every error names the file and line."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from xtransplant.errors import DataError
from xtransplant.files import read_regular


def read_json_lines(path: Path, *, whole: bool = False) -> list[object]:
    """Return the value of each line; with `whole`, read the file as one value in a list of one.

    Only a newline ends a line (not U+2028, which texts may contain). A leading byte order mark is
    ignored.

    Raises:
        DataError: the file cannot be read or is empty, or a line is not JSON in UTF-8.
    """
    content = read_bytes(path).removeprefix(BOM_UTF8)
    if not content.strip():
        raise DataError(f"{path} is empty; it needs a line of JSON")
    lines = [content] if whole else content.removesuffix(b"\n").split(b"\n")
    return [_json(line, path, number) for number, line in enumerate(lines, start=1)]


def read_strings(path: Path) -> list[str]:
    """Return the string on each line.

    Raises:
        DataError: as for `read_json_lines`, or a value is not a string.
    """
    strings = []
    for number, value in enumerate(read_json_lines(path), start=1):
        if not isinstance(value, str):
            shown = _shown(json.dumps(value, ensure_ascii=False))
            raise DataError(f"{path}:{number}: expected a JSON string, found {shown}")
        strings.append(value)
    return strings


def read_bytes(path: Path) -> bytes:
    """Return a file's content; raise DataError if it cannot be read."""
    try:
        return read_regular(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def parse_json(content: bytes) -> Any:
    """Return the value of a JSON file that a program wrote.

    Raises:
        ValueError: the content is not JSON in UTF-8, is nested too deeply, or has a number that
            Python cannot read.
    """
    try:
        return json.loads(content.decode())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


class RepeatedKey(Exception):
    """A JSON object has a key twice; Python's reader would silently keep the last one."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise RepeatedKey(key)
        found[key] = value
    return found


def _json(content: bytes, path: Path, line: int) -> object:
    if not content.strip():
        raise DataError(f"{path}:{line}: an empty line; delete it")
    try:
        text = content.decode()
        value: object = json.loads(text, object_pairs_hook=_object)
        # A lone surrogate ("\ud800") is valid JSON, but cannot be tokenised or stored.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        byte = f"byte {content[error.start]:#04x}"
        raise DataError(f"{path}:{line}: not text in UTF-8 ({byte}); save it as UTF-8") from error
    except UnicodeEncodeError as error:
        raise DataError(f"{path}:{line}: not text: {_shown(content.decode())}") from error
    except RepeatedKey as error:
        key = str(error)
        raise DataError(f"{path}:{line}: key {key!r} appears twice; keep one") from error
    except (ValueError, RecursionError) as error:  # RecursionError: deep nesting
        if isinstance(error, json.JSONDecodeError):
            line += error.lineno - 1
        raise DataError(f"{path}:{line}: not valid JSON: {_shown(content.decode())}") from error
    return value


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 40 else text[:39] + "…")
