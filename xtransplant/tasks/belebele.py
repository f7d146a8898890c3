"""Belebele (Bandarkar et al. 2024): rows to questions."""

from __future__ import annotations

from xtransplant.tasks.hub_task import Reader, key_at
from xtransplant.tasks.splits import cluster_of
from xtransplant.types import Question

KEYS = "ABCD"


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the questions of a language; ids, from passage and number, are parallel."""
    return [
        Question(
            id=f"{cluster_of(row['link'])}-{row['question_number']}",
            fields={"passage": row["flores_passage"], "question": row["question"]},
            options=tuple(str(row[f"mc_answer{number}"]) for number in range(1, 5)),
            gold=key_at(KEYS, int(row["correct_answer_num"]) - 1),
            cluster=cluster_of(row["link"]),
        )
        for row in reader.rows(language)
    ]
