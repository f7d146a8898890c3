"""The questions of the pocket world, which ship with the package.

A split is a folder with one file a language, `<split>/<language>.jsonl`: a JSON object a line with
the texts `id`, `source` (English), `target` (that language) and `gold`, the answer's name.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from xtransplant.errors import DataError, unknown
from xtransplant.types import Direction, Instance

PACKAGED = Path(__file__).parents[1] / "assets" / "pocket" / "task"
FIELDS = ("id", "source", "target", "gold")


def load(
    data_dir: Path | None, split: str, language: str, pivot: str, direction: Direction
) -> list[Instance]:
    """Return the questions of one language.

    Args:
        data_dir: folder of the splits; None for the packaged one.
        split: "dev" or "test".
        language: a language of the pocket world.
        pivot: the language of `source`.
        direction: `x_to_en` swaps the prompts.

    Raises:
        DataError: an unknown split or language; a malformed line, with file and line number.
    """
    folder = _split_folder(data_dir, split)
    path = folder / f"{language}.jsonl"
    if not path.is_file():
        raise DataError(unknown("language", language, [p.stem for p in folder.glob("*.jsonl")]))
    # Only a newline ends a line: texts may hold U+2028.
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    rows = [_row(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]
    into_x = direction is Direction.EN_TO_X
    return [
        Instance(
            id=row["id"],
            language=language,
            source_language=pivot if into_x else language,
            target_language=language if into_x else pivot,
            source=row["source" if into_x else "target"],
            target=row["target" if into_x else "source"],
            gold=row["gold"],
        )
        for row in rows
    ]


def fingerprint(data_dir: Path | None, split: str) -> str:
    """Return the SHA-256 of all files of a split: their names and bytes."""
    digest = hashlib.sha256()
    for path in sorted(_split_folder(data_dir, split).glob("*.jsonl")):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _split_folder(data_dir: Path | None, split: str) -> Path:
    root = data_dir or PACKAGED
    if not (root / split).is_dir():
        splits = [path.name for path in root.glob("*") if path.is_dir()]
        raise DataError(unknown("split", split, splits, f"in {root}"))
    return root / split


def _row(line: bytes, where: str) -> dict[str, str]:
    try:
        row = json.loads(line.decode())
    except ValueError as error:
        shown = line[:40].decode(errors="replace")
        raise DataError(f"{where}: not valid JSON in UTF-8: {shown!r}") from error
    texts = isinstance(row, dict) and [row.get(name) for name in FIELDS]
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise DataError(f"{where}: expected an object with the texts {', '.join(FIELDS)}")
    return {name: row[name] for name in FIELDS}
