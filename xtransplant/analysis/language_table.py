"""Facts about languages: distance to English, and amount of data."""

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
        distance_to_english: featural distance of URIEL+, 0 to 1 (arXiv 2409.18472; CC BY-SA 4.0).
        resource_class: class of Joshi et al. 2020 (arXiv 2004.09095), 0 to 5; 5 has most data.
        family: language family, such as "Indo-European".
    """

    distance_to_english: float
    resource_class: int
    family: str


def language(code: str) -> Language | None:
    """Return the facts about a language by its code ("sw", "zh-CN", "zh_tw"), or None."""
    return _table().get(re.split("[-_]", code.lower())[0])


@cache
def _table() -> dict[str, Language]:
    text = files("xtransplant").joinpath("assets/languages/languages.csv").read_text("utf-8")
    return {
        row["language"]: Language(
            float(row["distance_to_english"]), int(row["resource_class"]), row["family"]
        )
        for row in csv.DictReader(text.splitlines())
    }
