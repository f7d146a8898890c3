"""Data files with one JSON value a line; every mistake is told with file and line number."""

from __future__ import annotations

import json
from pathlib import Path

from xtransplant.errors import DataError


def read_json_lines(path: Path, *, whole: bool = False) -> list[object]:
    """Return the value of each line; of the file as one value, in a list, if `whole`.

    Only a newline ends a line (not U+2028, which texts hold).

    Raises:
        DataError: a file that cannot be read, a line that is not JSON in UTF-8.
    """
    content = read_bytes(path)
    lines = [content] if whole else content.removesuffix(b"\n").split(b"\n")
    return [_json(line, path, number) for number, line in enumerate(lines, start=1)]


def read_strings(path: Path) -> list[str]:
    """Return one string a line; errors as for `read_json_lines`, or another value."""
    strings = []
    for number, line in enumerate(read_bytes(path).removesuffix(b"\n").split(b"\n"), start=1):
        value = _json(line, path, number)
        if not isinstance(value, str):
            raise DataError(f"{path}:{number}: expected a JSON string, found {_shown(line)}")
        strings.append(value)
    return strings


def read_bytes(path: Path) -> bytes:
    """Return a file's content, or raise DataError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _json(content: bytes, path: Path, line: int) -> object:
    try:
        text = content.decode()
        value: object = json.loads(text)
        # A lone surrogate ("\ud800") is JSON, but not a text that can be tokenised or stored.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # the latter of lists in lists without end
        if isinstance(error, json.JSONDecodeError):
            line += error.lineno - 1
        raise DataError(f"{path}:{line}: not valid JSON in UTF-8: {_shown(content)}") from error
    return value


def _shown(content: bytes) -> str:
    text = content.decode(errors="replace").strip()
    return repr(text if len(text) <= 40 else text[:39] + "…")
