"""Names and codes of languages, from `assets/languages.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xtransplant.errors import ConfigError, unknown
from xtransplant.yaml_file import read_yaml

LANGUAGES = Path(__file__).parent / "assets" / "languages.yaml"


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its code in templates, its English name, its FLORES-200 code ("swh_Latn")."""

    code: str
    name: str
    flores: str


def language(code: str) -> Language:
    """Return a language by any of its codes.

    Raises:
        ConfigError: `assets/languages.yaml` does not have the code.
    """
    table = _table()
    if code not in table:
        raise ConfigError(unknown("language", code, table, f"add it to {LANGUAGES}"))
    same = table[code].get("same_as", code)
    return Language(same, table[same]["name"], table[same]["flores"])


@cache
def _table() -> dict[str, dict[str, str]]:
    return read_yaml(LANGUAGES)
