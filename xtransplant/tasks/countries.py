"""The countries assigned to each language, from `assets/countries.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xtransplant.languages import language
from xtransplant.yaml_file import read_yaml

COUNTRIES = Path(__file__).parents[1] / "assets" / "countries.yaml"


def country_name(name: str) -> str:
    """Return a country's name without remarks: "Kenya" for "Kenya (Non-national sample)"."""
    return name.partition(" (")[0].strip()


def speaks(country: str, code: str) -> bool:
    """Return whether a country is assigned to a language."""
    return country_name(country) in _table().get(language(code).code, ())


@cache
def _table() -> dict[str, list[str]]:
    return read_yaml(COUNTRIES)
