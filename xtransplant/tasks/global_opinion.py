"""GlobalOpinionQA (Durmus et al. 2023): rows to questions, one for each country of a language."""

from __future__ import annotations

import ast
from typing import Any

from xtransplant.errors import DataError
from xtransplant.tasks.countries import country_name, speaks
from xtransplant.tasks.hub import Row
from xtransplant.tasks.hub_task import Reader
from xtransplant.types import Question

KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the English questions asked in the countries of a language.

    The gold answer is the option that most people of the country chose (the first in a tie).

    Raises:
        DataError: a row cannot be read.
    """
    found = []
    for number, row in enumerate(reader.rows(language)):
        options = tuple(str(option) for option in _literal(row["options"], number))
        for country, given in _selections(row, number).items():
            if not speaks(country, language):
                continue
            shares = tuple(float(share) for share in given)
            if len(shares) != len(options):
                raise DataError(
                    f"GlobalOpinionQA, row {number}: {len(options)} options, but {len(shares)} "
                    f"shares of {country!r}; remove the row in your own copy: task.id=DIR"
                )
            found.append(
                Question(
                    id=f"{number:04d}-{'_'.join(country.split())}",
                    fields={"question": row["question"], "country": country_name(country)},
                    options=options,
                    gold=KEYS[shares.index(max(shares))],
                    shares=shares,
                    cluster=f"{number:04d}",
                    category=country,
                )
            )
    return found


def _selections(row: Row, number: int) -> dict[str, list[float]]:
    """Return the shares of each country; the data contain the text of a Python defaultdict."""
    text = str(row["selections"])
    found = _literal(text[text.index("{") : text.rindex("}") + 1] if "{" in text else text, number)
    if not isinstance(found, dict):
        raise DataError(f"GlobalOpinionQA, row {number}: selections are not a dict: {text[:60]!r}")
    return found


def _literal(value: Any, number: int) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError) as error:
        raise DataError(
            f"GlobalOpinionQA, row {number}: not a Python literal: {value[:60]!r}"
        ) from error
