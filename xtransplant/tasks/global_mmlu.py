"""Global MMLU (Singh et al. 2024): rows to questions."""

from __future__ import annotations

from xtransplant.tasks.hub_task import Reader
from xtransplant.types import Question


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the questions of a language.

    The category is the data's label: CS (culturally sensitive), CA (culturally agnostic), or None
    if the question was not annotated.
    """
    return [
        Question(
            id=row["sample_id"].replace("/", "_"),
            fields={"question": row["question"]},
            options=tuple(str(row[f"option_{key}"]) for key in "abcd"),
            gold=row["answer"],
            category=label
            if (label := row["cultural_sensitivity_label"]) in ("CS", "CA")
            else None,
        )
        for row in reader.rows(language)
    ]
