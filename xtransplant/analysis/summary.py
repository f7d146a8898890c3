"""One language's results in a row; it does not know how they were computed or where they show."""

from __future__ import annotations

from dataclasses import dataclass

from xtransplant.types import Cell


@dataclass(frozen=True, slots=True)
class LanguageSummary:
    """One language's row of the summary; accuracies from 0 to 1.

    Attributes:
        language: the study's language X.
        n: instances.
        baseline_accuracy: of the target prompt untouched.
        best_cell: the cell with the highest accuracy over these instances.
        best_cell_accuracy: its accuracy.
        upper_bound_accuracy: share of the instances that any cell answers.
    """

    language: str
    n: int
    baseline_accuracy: float
    best_cell: Cell
    best_cell_accuracy: float
    upper_bound_accuracy: float
