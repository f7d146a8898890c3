"""XNLI (Conneau et al. 2018): rows to questions. The options' texts are labels of the template."""

from __future__ import annotations

from xtransplant.tasks.hub_task import Reader, key_at
from xtransplant.tasks.splits import cluster_of
from xtransplant.types import Question

KEYS = ("1", "2", "3")
"""Keys of the labels 0 entailment, 1 neutral, 2 contradiction."""


def questions(reader: Reader, language: str) -> list[Question]:
    """Return the questions of a language; rows are parallel, so the id is the row number.

    A row whose label differs from the pivot's is left out: it has another hypothesis for the same
    premise (two rows of the Russian test set are swapped).
    """
    rows = reader.rows(language)
    labels = dict(enumerate(row["label"] for row in reader.rows(reader.pivot)))
    return [
        Question(
            id=f"{number:05d}",
            fields={"premise": row["premise"], "hypothesis": row["hypothesis"]},
            gold=key_at(KEYS, row["label"]),
            cluster=cluster_of(row["premise"]),  # a premise has three hypotheses
        )
        for number, row in enumerate(rows)
        if row["label"] == labels.get(number, row["label"])
    ]
