"""CulturalBench (Chiu et al. 2024), easy and hard: rows to questions on a language's countries."""

from __future__ import annotations

from xtransplant.tasks.countries import speaks
from xtransplant.tasks.hub_task import Reader
from xtransplant.types import Question

TRUTH = {"true": "A", "1": "A", "false": "B", "0": "B"}
"""The key of the right option, by the data's value; other values are refused."""


def easy(reader: Reader, language: str) -> list[Question]:
    """Return the English questions, with four options each, about the countries of a language."""
    return [
        Question(
            id=f"{row['question_idx']:04d}",
            fields={"question": row["prompt_question"]},
            options=tuple(str(row[f"prompt_option_{key}"]) for key in "abcd"),
            gold=str(row["answer"]).strip().upper(),
            category=row["country"],
        )
        for row in reader.rows(language)
        if speaks(row["country"], language)
    ]


def hard(reader: Reader, language: str) -> list[Question]:
    """Return the English statements about the countries of a language.

    Four statements form a question, which is right only if all four are judged correctly. The
    question is their cluster, and the part of their ids before the last hyphen.
    """
    found, seen = [], dict[int, int]()
    for row in reader.rows(language):
        if not speaks(row["country"], language):
            continue
        question = row["question_idx"]
        seen[question] = seen.get(question, 0) + 1
        found.append(
            Question(
                id=f"{question:04d}-{seen[question]}",
                fields={"question": row["prompt_question"], "statement": row["prompt_option"]},
                gold=TRUTH[str(row["answer"]).strip().lower()],
                cluster=f"{question:04d}",
                category=row["country"],
            )
        )
    return found
