"""XCOPA (Ponti et al. 2020): rows to questions. The English rows are COPA's, from SuperGLUE."""

from __future__ import annotations

from xtransplant.errors import DataError
from xtransplant.tasks.hub import Row
from xtransplant.tasks.hub_task import Reader, key_at
from xtransplant.types import Question

ENGLISH = "en"
KEYS = ("1", "2")


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the questions of a language; the id is the row number.

    SuperGLUE hides the labels of COPA's test set, so English gets the labels of a translation.

    Raises:
        DataError: the rows of COPA and XCOPA do not match.
    """
    if language != ENGLISH:
        rows = reader.rows(language)
        return [_question(number, row, row["label"]) for number, row in enumerate(rows)]
    english = reader.pivot_rows()
    translated = reader.rows(reader.any_but(ENGLISH))
    if [row["question"] for row in english] != [row["question"] for row in translated]:
        raise DataError(
            f"COPA ({len(english)} rows) and XCOPA ({len(translated)} rows) do not ask for causes "
            "and effects in the same order, so their rows are not parallel; check "
            "task.data_split, task.revision and task.pivot_id"
        )
    pairs = zip(english, translated, strict=True)
    return [_question(number, row, other["label"]) for number, (row, other) in enumerate(pairs)]


def _question(number: int, row: Row, label: int) -> Question:
    return Question(
        id=f"{number:04d}",
        fields={"premise": row["premise"]},
        options=(row["choice1"], row["choice2"]),
        gold=key_at(KEYS, label),
        variant=row["question"],
    )
