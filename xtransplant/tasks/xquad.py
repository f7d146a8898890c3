"""XQuAD (Artetxe et al. 2020): rows to questions."""

from __future__ import annotations

from xtransplant.tasks.hub_task import Reader
from xtransplant.tasks.splits import cluster_of
from xtransplant.types import Question


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the questions of a language; the first answer is the gold one, others are aliases."""
    return [
        Question(
            id=row["id"],
            fields={"passage": row["context"], "question": row["question"]},
            gold=row["answers"]["text"][0],
            aliases=tuple(dict.fromkeys(row["answers"]["text"][1:])),
            cluster=cluster_of(row["context"]),
        )
        for row in reader.rows(language)
    ]
