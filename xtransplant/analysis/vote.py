"""The vote of an instance's cells: a rule that needs no gold answer of what it judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xtransplant.analysis.interchange import at_cells
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.selection import best_cells, by_language
from xtransplant.store.columns import to_frame
from xtransplant.types import Cell

SIDES = ["source_layer", "target_layer"]
COLUMNS = ("instance_id", *SIDES, "answer", "correct")


def voters(selecting: Outcomes, n: int) -> dict[str, list[Cell]]:
    """Return the best cells of each language, the best first; all where there are fewer than n."""
    return {language: best_cells(rows, n) for language, rows in by_language(selecting)}


def voted(judged: Outcomes, cells: Mapping[str, Sequence[Cell]]) -> Bools:
    """Return whether the answer that most cells give is right, [I].

    Answers are those that the scorer read. A text without a readable answer has no vote, so an
    instance without any is wrong. Of answers with as many votes, the one of the better cell counts.

    Args:
        judged: some or all instances of a run that has the cells.
        cells: those that vote, by language, the best first.

    Raises:
        OutputError: a part cannot be read.
    """
    right = set()
    for language, its in cells.items():
        table = judged.run.folder.read_generations_table([language], COLUMNS)
        votes = to_frame(at_cells(table, its)).dropna(subset=[*SIDES, "answer"])
        ranks = {(cell.source_layer, cell.target_layer): rank for rank, cell in enumerate(its)}
        votes["rank"] = [ranks[pair] for pair in zip(*(votes[side] for side in SIDES), strict=True)]
        right |= {(language, name) for name in _right(votes)}
    return np.array([name in right for name in judged.names], dtype=bool)


def _right(votes: pd.DataFrame) -> list[str]:
    """Return the ids of the instances whose answer with most votes is right."""
    found = votes.sort_values("rank").groupby(["instance_id", "answer"], as_index=False)
    answers = found.agg(n=("rank", "size"), rank=("rank", "min"), correct=("correct", "first"))
    answers = answers.sort_values(["n", "rank"], ascending=[False, True])
    first = answers.drop_duplicates("instance_id")
    return [str(name) for name in first.loc[first["correct"], "instance_id"]]
