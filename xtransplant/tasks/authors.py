"""The data format of the authors' release (github YYF-Tommy/XTransplant): finished prompts.

A split is a folder `<TASK>_<split>`; line i of a file is row i, the same question in each language:

    split/<language>.json      one JSON string a line: the prompt
    ans/<language>.json        one JSON string a line: the key of the right option
    ans_lang/<language>.json   one JSON object: each option's label in that language

The data are not shipped: `task.data_dir` says where they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from xtransplant.errors import DataError, unknown
from xtransplant.types import Direction, Instance, Option

FOLDERS = ("split", "ans", "ans_lang")
MARKERS = ("({})", "（{}）")
"""How a prompt may print an option's key: ASCII, or full-width as in Chinese text."""


@dataclass(frozen=True, slots=True)
class OptionsTask:
    """A task with options in this format: a source of instances (`xtransplant.tasks.TaskSource`).

    Attributes:
        name: first part of instance ids.
        folder: first part of the folder's name, and the name of its parent in the release.
        keys: of the options, in the order of the prompt.
    """

    name: str
    folder: str
    keys: tuple[str, ...]

    def load(
        self,
        data_dir: Path | None,
        split: str,
        language: str,
        pivot: str,
        direction: Direction,
    ) -> list[Instance]:
        """Pair the rows of a language with those of the pivot.

        The id holds the line number, so parallel rows have the same id in every language. Gold and
        options are those of the target prompt.

        Raises:
            DataError: no such folder or language; a malformed line, an empty prompt, one without
                its option markers, or a gold answer outside the options, with file and line
                number; files of different length.
        """
        folder = self._find(data_dir, split)
        if direction is Direction.EN_TO_X:
            source_language, target_language = pivot, language
        else:
            source_language, target_language = language, pivot
        sources_path = _file(folder, "split", source_language)
        targets_path = _file(folder, "split", target_language)
        golds_path = _file(folder, "ans", target_language)
        labels = self._labels(_file(folder, "ans_lang", target_language))

        sources = _prompts(sources_path)
        targets = _prompts(targets_path)
        golds = _strings(golds_path)
        _require_same_length(targets_path, targets, sources_path, sources)
        _require_same_length(targets_path, targets, golds_path, golds)
        instances = []
        for line, (source, target, gold) in enumerate(
            zip(sources, targets, golds, strict=True), start=1
        ):
            if gold not in self.keys:
                raise DataError(f"{golds_path}:{line}: {unknown('gold answer', gold, self.keys)}")
            instances.append(
                Instance(
                    id=f"{self.name}-{split}-{line:04d}",
                    language=language,
                    source_language=source_language,
                    target_language=target_language,
                    source=source,
                    target=target,
                    gold=gold,
                    options=self._options(target, labels, f"{targets_path}:{line}"),
                )
            )
        return instances

    def fingerprint(self, data_dir: Path | None, split: str) -> str:
        """Return the SHA-256 of all data files of a split: relative names, sizes and bytes.

        Raises:
            DataError: no such folder, or a file that cannot be read.
        """
        folder = self._find(data_dir, split)
        names = sorted(
            path.relative_to(folder).as_posix()
            for part in FOLDERS
            for path in (folder / part).glob("*.json")
        )
        digest = hashlib.sha256()
        for name in names:
            content = _read(folder / name)
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def _find(self, data_dir: Path | None, split: str) -> Path:
        name = f"{self.folder}_{split}"
        if data_dir is None:
            raise DataError(
                f"task {self.name} has no data folder; "
                f"give one: task.data_dir=… ({name} of the authors' release, or a parent of it)"
            )
        data_dir = data_dir.expanduser().absolute()
        candidates = [data_dir, data_dir / name, data_dir / self.folder / name]
        # The folder of another split holds the right sub-folders, but not this split.
        if data_dir.name.startswith(f"{self.folder}_") and data_dir.name != name:
            candidates = candidates[1:]
        for candidate in candidates:
            if (candidate / "split").is_dir():
                return candidate
        looked_for = ", ".join(str(candidate / "split") for candidate in candidates)
        raise DataError(
            f"no {self.name} data of split {split!r} at {str(data_dir)!r}; looked for "
            f"{looked_for}; set task.data_dir to the folder {name} or a parent of it"
        )

    def _labels(self, path: Path) -> dict[str, str]:
        labels = _json(_read(path), str(path), 1)
        allowed = ", ".join(self.keys)
        if not isinstance(labels, dict) or sorted(labels) != sorted(self.keys):
            raise DataError(f"{path}:1: expected a JSON object with the keys {allowed}")
        for key, label in labels.items():
            # An empty label would be found in every answer.
            if not isinstance(label, str) or not label.strip():
                raise DataError(f"{path}:1: label {label!r} of option {key} is not a text")
        return labels

    def _options(self, prompt: str, labels: dict[str, str], where: str) -> tuple[Option, ...]:
        options = []
        for key in self.keys:
            printed = [form.format(key) for form in MARKERS if form.format(key) in prompt]
            if not printed:
                every = " ".join(MARKERS[0].format(each) for each in self.keys)
                raise DataError(
                    f"{where}: option marker ({key}) is missing from the prompt; "
                    f"it must hold {every}; mend the line"
                )
            options.append(Option(printed[0], labels[key]))
        return tuple(options)


def _file(folder: Path, part: str, language: str) -> Path:
    path = folder / part / f"{language}.json"
    if not path.is_file():
        present = [file.stem for file in (folder / part).glob("*.json")]
        if not present:
            raise DataError(f"no data files in {folder / part}; {path.name} is needed there")
        raise DataError(unknown("language", language, present, f"for lack of {path}"))
    return path


def _prompts(path: Path) -> list[str]:
    prompts = _strings(path)
    for line, prompt in enumerate(prompts, start=1):
        if not prompt.strip():
            raise DataError(f"{path}:{line}: empty prompt")
    return prompts


def _strings(path: Path) -> list[str]:
    """Read one JSON string a line; only a newline ends a line (not U+2028, which texts hold)."""
    lines = _read(path).removesuffix(b"\n").split(b"\n")
    strings = []
    for number, line in enumerate(lines, start=1):
        value = _json(line, str(path), number)
        if not isinstance(value, str):
            raise DataError(f"{path}:{number}: expected a JSON string, found {_shown(line)}")
        strings.append(value)
    return strings


def _json(content: bytes, path: str, line: int) -> object:
    try:
        text = content.decode()
        value: object = json.loads(text)
        # A lone surrogate ("\ud800") is JSON, but not a text that can be tokenised or stored.
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        if isinstance(error, json.JSONDecodeError):
            line += error.lineno - 1
        raise DataError(f"{path}:{line}: not valid JSON in UTF-8: {_shown(content)}") from error
    return value


def _shown(content: bytes) -> str:
    text = content.decode(errors="replace").strip()
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _require_same_length(path: Path, rows: list[str], other: Path, others: list[str]) -> None:
    if len(rows) == len(others):
        return
    (n, short), (more, long) = sorted([(len(rows), path), (len(others), other)])
    raise DataError(
        f"{short}:{n}: ends after {n} lines, {long} has {more}; line i of one belongs to line i "
        "of the other: supply what is missing"
    )


XNLI = OptionsTask(name="xnli", folder="XNLI", keys=("1", "2", "3"))
