"""MKQA (Longpre et al. 2021): rows to questions; only rows answered in every language."""

from __future__ import annotations

from xtransplant.tasks.hub import Row
from xtransplant.tasks.hub_task import Reader
from xtransplant.types import Question


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the questions of a language that have an answer in all of the task's languages.

    The data mark the others as unanswerable or as needing a long answer.
    """
    return [
        Question(
            id=str(row["example_id"]),
            fields={"question": row["queries"][language]},
            gold=answers[0],
            aliases=answers[1:],
        )
        for row in reader.rows(language)
        if all(_answers(row, each) for each in reader.all_languages())
        and (answers := _answers(row, language))
    ]


def _answers(row: Row, language: str) -> tuple[str, ...]:
    """Return all forms of all right answers; the main form of the first answer comes first."""
    given = row["answers"][language]
    texts = [answer["text"] for answer in given]
    aliases = [alias for answer in given for alias in answer["aliases"] or []]
    return tuple(dict.fromkeys(text for text in [*texts, *aliases] if text and text.strip()))
