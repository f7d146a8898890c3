"""What is known of languages: how far from English, and how well provided with data."""

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
        distance_to_english: URIEL+'s featural distance, 0 to 1 (arXiv 2409.18472; CC BY-SA 4.0).
        resource_class: of Joshi et al. 2020 (arXiv 2004.09095), 0 to 5 for the most resources.
    """

    distance_to_english: float
    resource_class: int


def language(code: str) -> Language | None:
    """Return what is known of a language by its code ("sw", "zh-CN", "zh_tw"), None if nothing."""
    return _table().get(re.split("[-_]", code.lower())[0])


@cache
def _table() -> dict[str, Language]:
    text = files("xtransplant").joinpath("assets/languages/languages.csv").read_text("utf-8")
    return {
        row["language"]: Language(float(row["distance_to_english"]), int(row["resource_class"]))
        for row in csv.DictReader(text.splitlines())
    }
