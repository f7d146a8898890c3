"""Machine translations on disk, by source text; written by `xtransplant translate`.

There is one JSONL file per language and model, with lines {"text", "translation"}. Lines are only
added, so interrupted work continues where it stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from xtransplant.errors import DataError
from xtransplant.files import appending, locked, write_whole
from xtransplant.jsonl import parse_json, read_bytes
from xtransplant.languages import language as find_language

MODEL = "model.json"


class Translations:
    """The translations made by one model.

    Args:
        folder: folder of all models' translations.
        model: id of the model.
        revision: revision of the model; None for a local folder.
        command: command that makes missing translations, for messages.
    """

    def __init__(self, folder: Path, model: str, revision: str | None, command: str) -> None:
        name = model.rstrip("/").rpartition("/")[2]
        self.folder = folder / (f"{name}@{revision}".replace("/", "_") if revision else name)
        self._name = f"{model}@{revision}" if revision else name
        self.revision = revision
        self._command = command
        self._texts: dict[str, dict[str, str]] = {}

    def __call__(self, text: str, language: str) -> str:
        """Return the translation of a text; a text without letters is returned unchanged.

        Raises:
            DataError: the translation is missing; the message has the command that makes it.
        """
        if not needs_translation(text):
            return text
        found = self.of_language(language)
        if text not in found:
            shown = text if len(text) <= 40 else text[:39] + "…"
            raise DataError(
                f"no translation into {language!r} of {shown!r} in {self.folder}; "
                f"make it: {self._command}"
            )
        return found[text]

    def of_language(self, language: str) -> Mapping[str, str]:
        """Return all translations into a language, by source text."""
        code = find_language(language).code
        if code not in self._texts:
            self._texts[code] = _read(self.path(language))
        return self._texts[code]

    def path(self, language: str) -> Path:
        """Return the file of a language."""
        return self.folder / f"{find_language(language).code}.jsonl"

    @property
    def identity(self) -> str:
        """Identity of the model: id and revision, or the digest of a local folder's content."""
        return self._written_identity() or self._name

    def _written_identity(self) -> str | None:
        path = self.folder / MODEL
        if not path.is_file():
            return None
        try:
            return str(parse_json(read_bytes(path))["identity"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged; delete it and translate again") from error

    def open(self, identity: str) -> None:
        """Create the folder for a model, or check that it belongs to this model.

        Raises:
            DataError: the folder has translations by another model with the same name.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        found = self._written_identity()
        if found is None:
            write_whole(self.folder / MODEL, f"{json.dumps({'identity': identity})}\n".encode())
        elif found != identity:
            raise DataError(
                f"{self.folder} has translations by another model of that name ({found}, not "
                f"{identity}); give another folder: translation.folder=DIR"
            )

    def add(self, language: str, translations: Mapping[str, str]) -> None:
        """Append translations into a language to its file.

        Raises:
            DataError: a line of the file is not a translation.
            OutputError: the file cannot be written, or another process holds it too long.
        """
        path = self.path(language)
        lines = [
            json.dumps({"text": text, "translation": translation}, ensure_ascii=False) + "\n"
            for text, translation in translations.items()
        ]
        # Another process may be adding lines to the same file, or have been killed meanwhile.
        with locked(path.with_name(f".{path.name}.lock")), appending(path) as file:
            file.seek(0)
            content = file.read()
            whole = content.rfind(b"\n") + 1
            file.truncate(whole)  # drop an incomplete line
            file.write("".join(lines).encode())
        known = _translations_in(content[:whole], path)
        self._texts[find_language(language).code] = {**known, **translations}


def needs_translation(text: str) -> bool:
    """Return whether a text contains a letter."""
    return any(character.isalpha() for character in text)


def translate_prompt(
    translate: Callable[[str, str], str], prompt: str, language: str, markers: Sequence[str]
) -> str:
    """Translate a prompt line by line; the options' markers are not changed."""
    cut = "|".join([r"\n", *map(re.escape, sorted(markers, key=len, reverse=True))])
    pieces = re.split(f"({cut})", prompt)
    return "".join(
        piece if position % 2 else _with_its_spaces(piece, translate, language)
        for position, piece in enumerate(pieces)
    )


def _with_its_spaces(piece: str, translate: Callable[[str, str], str], language: str) -> str:
    text = piece.strip()
    if not text:
        return piece
    start = piece.index(text)
    return piece[:start] + translate(text, language) + piece[start + len(text) :]


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    return _translations_in(read_bytes(path), path)


def _translations_in(content: bytes, path: Path) -> dict[str, str]:
    found = {}
    # Text after the last newline is an interrupted write; it is translated again.
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            row = parse_json(line)
            found[str(row["text"])] = str(row["translation"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}:{number}: not a translation; delete the line") from error
    return found
