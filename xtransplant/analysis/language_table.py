"""Facts about languages: amount of data, family, and the distance between two languages."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        resource_class: class of Joshi et al. 2020 (arXiv 2004.09095), 0 to 5; 5 has most data.
        family: language family, such as "Indo-European".
    """

    resource_class: int
    family: str


def language(code: str) -> Language | None:
    """Return the facts about a language by its code ("sw", "zh-CN", "zh_tw"), or None."""
    return _languages().get(_name(code))


def distance(one: str, other: str) -> float | None:
    """Return the featural distance of URIEL+ between two languages (arXiv 2409.18472).

    Returns:
        0 for the same language, to 1; None if one of them is not known.
    """
    first, second = sorted((_name(one), _name(other)))
    if first == second:
        return 0.0 if language(first) else None
    return _distances().get((first, second))


def _name(code: str) -> str:
    return re.split("[-_]", code.lower())[0]


@cache
def _languages() -> dict[str, Language]:
    return {
        row["language"]: Language(int(row["resource_class"]), row["family"])
        for row in _rows("languages.csv")
    }


@cache
def _distances() -> dict[tuple[str, str], float]:
    return {
        (row["language"], row["other"]): float(row["distance"]) for row in _rows("distances.csv")
    }


def _rows(name: str) -> csv.DictReader[str]:
    text = files("xtransplant").joinpath(f"assets/languages/{name}").read_text("utf-8")
    return csv.DictReader(text.splitlines())
