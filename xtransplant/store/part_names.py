"""The names of a run's parts: which exist, which are missing, and which do not belong."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from xtransplant.errors import OutputError


def part_name(language: str, block: int) -> str:
    """Return the name of a part's file and lease, such as "fr-0003"."""
    return f"{language}-{block:04d}"


def part_language(path: Path) -> str:
    """Return the language that a part's name tells."""
    return path.stem.rpartition("-")[0]


def unwritten_parts(folder: Path, n_parts: Mapping[str, int]) -> list[str]:
    """Return the names of a run's parts that have no file yet."""
    names = (part_name(language, block) for language, n in n_parts.items() for block in range(n))
    return [name for name in names if not (folder / f"{name}.parquet").is_file()]


def stray_parts(folder: Path, n_parts: Mapping[str, int]) -> list[Path]:
    """Return the files in the parts' folder that are called parquet and are not parts of the run.

    Copies count whatever a program called them: "fr-0003 (1).parquet", "fr-0003.parquet.bak".
    """
    return [
        path
        for path in sorted(folder.glob("[!.]*"))
        if "parquet" in path.name.lower()
        and not (path.suffix == ".parquet" and _is_part(path.stem, n_parts))
    ]


def parts_of_nobody(folder: Path, n_parts: Mapping[str, int]) -> list[Path]:
    """Return the parts of languages that no command of the run asked for, as far as is known."""
    return [
        path
        for path in sorted(folder.glob("[!.]*.parquet"))
        if _is_part(path.stem, n_parts) and part_language(path) not in n_parts
    ]


def gone_line(names: Sequence[str]) -> str:
    """Return what to do about parts of a finished run that have no file any more."""
    verb = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"{names[0]}{verb} gone; run the same command again, which makes what is gone anew"


def require_no_strays(folder: Path, n_parts: Mapping[str, int]) -> None:
    """Check that whatever is called parquet in a folder is a part of the run.

    Raises:
        OutputError: a file is not a part, such as a copy of one.
    """
    if strays := stray_parts(folder, n_parts):
        raise OutputError(stray_line(strays))


def stray_line(strays: Sequence[Path]) -> str:
    """Return the message about files that are not parts."""
    return f"{strays[0]} is not a part of this run; move it out of the folder"


def _is_part(name: str, n_parts: Mapping[str, int]) -> bool:
    language, _, block = name.rpartition("-")
    if not (block.isascii() and block.isdigit() and name == part_name(language, int(block[:9]))):
        return False
    return int(block) < n_parts.get(language, sys.maxsize)  # another command may add languages
