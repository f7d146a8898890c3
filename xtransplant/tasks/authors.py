"""The data format of the authors' release (github YYF-Tommy/XTransplant): finished prompts.

A split is a folder `<TASK>_<split>`; line i of a file is row i, one JSON value per line:

    split/<language>.json      the prompt, a string
    ans/<language>.json        the key of the right option, or the answer, a string
    ans_lang/<language>.json   one JSON object: each option's label in that language (XNLI)

XCOPA and GlobalOpinionQA have separate English prompts for each language. XCOPA's are in `en`.
GlobalOpinionQA's are in `split`, as objects {input_text, label, country}; its translated prompts
are in `translated`.

The data are not shipped; `task.data_dir` is their folder. Prompts are used unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xtransplant.errors import ConfigError, DataError, unknown
from xtransplant.jsonl import read_bytes, read_json_lines, read_strings
from xtransplant.tasks.authors_layout import LAYOUTS, MARKERS, Layout
from xtransplant.tasks.lazy_instance import LazyInstance, lazy_instances_of
from xtransplant.tasks.sides import source_and_target
from xtransplant.tasks.splits import cluster_of
from xtransplant.types import Direction, Instance, Option

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class _Answer:
    """The content of a row other than its prompts."""

    gold: str
    options: tuple[Option, ...] = ()
    category: str | None = None


class Authors:
    """A task in this format (`xtransplant.tasks.loaders.TaskSource`).

    Args:
        name: name of the task; first part of instance ids.
        data_dir: folder of a split, or a parent of it.
        english: language of the prompts from which clusters are read.
        pivot: language of the other prompt; None for `english`.
    """

    draws_splits = False
    uses_translations = False
    lacking: Mapping[str, int] = MappingProxyType({})

    def __init__(self, name: str, data_dir: Path, english: str, pivot: str | None = None) -> None:
        self._name = name
        self._layout = LAYOUTS[name]
        self._data_dir = data_dir
        self._english, self._pivot = english, pivot or english
        if self._layout.english is not None and self._pivot != self._english:
            raise ConfigError(
                f"pivot={self._pivot} has no prompts in task.data_dir: the authors' files of "
                f"{name} pair every language with its own {self._english!r} prompts alone; "
                f"allowed: pivot={self._english}; or leave out task.data_dir"
            )

    def lazy_instances(self, split: str, language: str, direction: Direction) -> list[LazyInstance]:
        """Pair the rows of a language with those of the pivot.

        The id contains the line number, so parallel rows have the same id in every language. Gold
        answer and options are those of the target prompt.

        Raises:
            DataError: the folder or language does not exist, files have different lengths, or a
                line is malformed or has an empty prompt or a gold answer outside the options; the
                message has file and line number.
        """
        folder = self._find(split)
        layout = self._layout
        pivot_file = self._pivot if layout.english is None else language
        pivot_path = self._file(folder, layout.english or layout.prompts, pivot_file)
        own_path = self._file(folder, layout.prompts, language)
        paths = source_and_target(direction, pivot_path, own_path)
        languages = source_and_target(direction, self._pivot, language)
        sources, targets = (self._prompts(path) for path in paths)
        _require_same_length(paths[1], targets, paths[0], sources)
        english = sources if direction is Direction.EN_TO_X else targets
        if self._pivot != self._english and layout.cluster:
            path = self._file(folder, layout.prompts, self._english)
            english = self._prompts(path)
            _require_same_length(paths[1], targets, path, english)
        if layout.opinions:
            answers = [
                _opinion(row, pivot_path, line)
                for line, row in enumerate(read_json_lines(pivot_path), start=1)
            ]
        else:
            answers = self._answers(folder, languages[1], targets, paths[1])
        source_golds = self._source_golds(folder, languages[0])
        instances = (
            Instance(
                id=f"{self._name}-{split}-{line:04d}",
                language=language,
                source_language=languages[0],
                target_language=languages[1],
                source=source,
                target=target,
                gold=answer.gold,
                options=_as_printed(answer.options, target),
                cluster=_cluster(layout, english[line - 1]),
                category=answer.category,
                source_gold=source_golds[line - 1] if source_golds else None,
            )
            for line, (source, target, answer) in enumerate(
                zip(sources, targets, answers, strict=True), start=1
            )
        )
        return lazy_instances_of(instances, source=paths[0], target=paths[1])

    def fingerprint(self, split: str) -> str:
        """Return the SHA-256 of all data files of a split: relative names, sizes and bytes.

        Raises:
            DataError: the folder does not exist, or a file cannot be read.
        """
        folder = self._find(split)
        digest = hashlib.sha256()
        for name in sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.json")):
            content = read_bytes(folder / name)
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def _find(self, split: str) -> Path:
        data_dir, parent = self._data_dir.absolute(), self._layout.folder
        name = f"{parent}_{split}"
        if not data_dir.is_dir():
            raise DataError(
                f"no folder at task.data_dir={str(data_dir)!r}; give the folder {name} of the "
                "authors' release or a parent of it"
            )
        candidates = [data_dir, data_dir / name, data_dir / parent / name]
        # The folder of another split has the right sub-folders, but other data.
        if data_dir.name.startswith(f"{parent}_") and data_dir.name != name:
            candidates = candidates[1:]
        for candidate in candidates:
            if (candidate / "split").is_dir():
                return candidate
        looked_for = ", ".join(str(candidate / "split") for candidate in candidates)
        raise DataError(
            f"no {self._name} data of split {split!r} at {str(data_dir)!r}; looked for "
            f"{looked_for}; set task.data_dir to the folder {name} or a parent of it"
        )

    def _file(self, folder: Path, part: str, language: str) -> Path:
        path = folder / part / f"{self._layout.file.format(language=language)}.json"
        if not path.is_file():
            prefix = self._layout.file.format(language="")
            present = [file.stem.removeprefix(prefix) for file in (folder / part).glob("*.json")]
            if not present:
                raise DataError(f"no data files in {folder / part}; {path.name} is needed there")
            raise DataError(unknown("language", language, present, f"for lack of {path}"))
        return path

    def _prompts(self, path: Path) -> list[str]:
        if self._layout.opinions and path.parent.name == self._layout.english:
            rows = read_json_lines(path)
            prompts = [
                _field(row, "input_text", str, path, line) for line, row in enumerate(rows, start=1)
            ]
        else:
            prompts = read_strings(path)
        for line, prompt in enumerate(prompts, start=1):
            if not prompt.strip():
                raise DataError(f"{path}:{line}: empty prompt")
        return prompts

    def _answers(
        self, folder: Path, language: str, prompts: list[str], prompts_path: Path
    ) -> list[_Answer]:
        path = self._file(folder, "ans", language)
        keys = self._layout.keys
        labels: dict[str, str | None] = dict.fromkeys(keys)
        if self._layout.labels:
            labels |= _labels(self._file(folder, "ans_lang", language), keys)
        options = tuple(Option(MARKERS[0].format(key), labels[key]) for key in keys)
        golds = read_strings(path)
        _require_same_length(prompts_path, prompts, path, golds)
        for line, gold in enumerate(golds, start=1):
            if keys and gold not in keys:
                raise DataError(f"{path}:{line}: {unknown('gold answer', gold, keys)}")
            if not gold.strip():
                raise DataError(f"{path}:{line}: empty gold answer")
        return [_Answer(gold, options) for gold in golds]

    def _source_golds(self, folder: Path, language: str) -> list[str]:
        """Return the answers in the source's language if they are free texts; else none."""
        if self._layout.keys or self._layout.opinions:
            return []
        return read_strings(self._file(folder, "ans", language))


def recovered_cluster(task: str, control: str, instance: Instance) -> str:
    """Return the cluster of an instance; find it for instances stored before clusters existed.

    It is read from the English prompt, so it is "" if a control has replaced this prompt.
    """
    own_prompts = [(instance.target_language, instance.target)]
    if control != "random_instance":
        own_prompts.append((instance.source_language, instance.source))
    english = [prompt for language, prompt in own_prompts if language == "en"]
    if instance.cluster or task not in LAYOUTS or not english:
        return instance.cluster
    return _cluster(LAYOUTS[task], english[0])


def _cluster(layout: Layout, english: str) -> str:
    """Return the name of the cluster of a row; "" if it has none.

    It is read from the English prompt, so that it is the same in every language.
    """
    found = layout.cluster.search(english) if layout.cluster else None
    return cluster_of(" ".join(found[1].split())) if found else ""


def _labels(path: Path, keys: tuple[str, ...]) -> dict[str, str]:
    (labels, *_) = read_json_lines(path, whole=True)
    if not isinstance(labels, dict) or sorted(labels) != sorted(keys):
        raise DataError(f"{path}:1: expected a JSON object with the keys {', '.join(keys)}")
    for key, label in labels.items():
        # Every answer contains an empty label.
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"{path}:1: label {label!r} of option {key} is not a text")
    return labels


def _opinion(row: object, path: Path, line: int) -> _Answer:
    shares = _field(row, "label", list, path, line)
    if not 0 < len(shares) <= len(LETTERS) or not all(
        isinstance(share, int | float) for share in shares
    ):
        raise DataError(f"{path}:{line}: label must be 1 to {len(LETTERS)} numbers")
    country = _field(row, "country", str, path, line)
    return _Answer(
        gold=LETTERS[shares.index(max(shares))],
        options=tuple(
            Option(MARKERS[0].format(letter), None, float(share))
            for letter, share in zip(LETTERS, shares, strict=False)
        ),
        category=country,
    )


def _field(row: object, name: str, type_: type, path: Path, line: int) -> Any:
    if not isinstance(row, dict) or not isinstance(row.get(name), type_):
        raise DataError(f"{path}:{line}: expected a JSON object with {type_.__name__} {name!r}")
    return row[name]


def _as_printed(options: tuple[Option, ...], prompt: str) -> tuple[Option, ...]:
    """Return the options with their markers in the form that the prompt shows, if it shows any."""
    printed = []
    for option in options:
        key = option.marker.strip("()")
        forms = [form.format(key) for form in MARKERS if form.format(key) in prompt]
        printed.append(Option(forms[0] if forms else option.marker, option.label, option.share))
    return tuple(printed)


def _require_same_length(path: Path, rows: list[str], other: Path, others: list[str]) -> None:
    if len(rows) == len(others):
        return
    (n, short), (more, long) = sorted([(len(rows), path), (len(others), other)])
    raise DataError(
        f"{short}:{n}: ends after {n} lines, {long} has {more}; line i of one belongs to line i "
        "of the other: add the missing lines"
    )
