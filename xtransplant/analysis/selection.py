"""Selection of one cell for all instances, and its accuracy on instances that did not select it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.errors import ConfigError, OutputError, unknown
from xtransplant.types import Cell

STRATEGIES = ("overall", "target_first", "source_last")
"""Sets of cells to select from: all cells, those with target layer 0, those with source layer N-1
(arXiv 2412.12686, table 5)."""
POOLED = "all"
"""Stands for the language if one cell is selected for all languages."""
N_FOLDS = 5


@dataclass(frozen=True)
class Selected:
    """The best cell of one language or of all. Its accuracy is in-sample, so it is optimistic."""

    language: str
    cell: Cell
    accuracy: float
    baseline_accuracy: float
    n: int


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Verdicts with cells that were selected on other instances.

    Attributes:
        correct: verdicts, [I].
        cells: cell with which each fold was judged.
    """

    correct: Bools
    cells: tuple[Cell, ...]


def select(outcomes: Outcomes, strategy: str, *, pooled: bool) -> list[Selected]:
    """Select a cell for each language, or one for all by the mean of the languages' accuracies.

    In a tie, the cell with the smallest target layer is selected, then the one with the largest
    source layer.

    Raises:
        ConfigError: the strategy is unknown.
        OutputError: no cell of the grid fits the strategy.
    """
    groups = [(POOLED, outcomes)] if pooled else by_language(outcomes)
    return [_selected(language, rows, strategy) for language, rows in groups]


def held_out(outcomes: Outcomes, strategy: str, n_folds: int = N_FOLDS) -> HeldOut:
    """For each fold, select a cell on all other folds and judge it on this one.

    Folds consist of whole clusters and depend only on the clusters' names, so they are the same in
    every language. So a question in one language never helps to select for itself in another.

    Args:
        outcomes: run in one language, or in several; one cell is selected for all of them.
        strategy: one of `STRATEGIES`.
        n_folds: maximum number of folds; there are never more folds than clusters.

    Raises:
        ConfigError: the strategy is unknown.
        OutputError: no cell of the grid fits the strategy, or there is only one cluster.
    """
    fold = folds(outcomes.cluster, n_folds)
    correct = np.zeros(len(fold), dtype=bool)
    cells = []
    for number in range(int(fold.max()) + 1):
        judged = fold == number
        if judged.all() or not judged.any():
            continue
        best = _best(outcomes, ~judged, strategy)
        correct[judged] = outcomes.correct[judged, best]
        cells.append(outcomes.cells[best])
    if not cells:
        raise OutputError(
            f"{outcomes.run.folder.path} has one cluster of instances; selecting on some and "
            "judging on others needs two: run with more instances"
        )
    return HeldOut(correct, tuple(cells))


def folds(cluster: npt.NDArray[np.str_], n_folds: int) -> npt.NDArray[np.int64]:
    """Return the fold of each instance; it depends only on the names of the clusters."""
    names, codes = np.unique(cluster, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    return np.asarray((order % min(n_folds, len(names)))[codes], dtype=np.int64)


def by_language(outcomes: Outcomes) -> list[tuple[str, Outcomes]]:
    """Return the rows of each language."""
    return [(language, outcomes.only(language)) for language in outcomes.languages]


def column(outcomes: Outcomes, cell: Cell) -> int | None:
    """Return the column of a cell in a run's arrays; None if the run does not have the cell."""
    return outcomes.cells.index(cell) if cell in outcomes.cells else None


def best_cells(outcomes: Outcomes, n: int) -> list[Cell]:
    """Return the n best cells, the best first; equally good ones in the order of selection."""
    order = order_of(outcomes, STRATEGIES[0])
    everything = np.ones(len(outcomes.instance), dtype=bool)
    accuracy = np.round(_macro(outcomes, everything), 12)[order]
    return [outcomes.cells[order[k]] for k in np.argsort(-accuracy, kind="stable")[:n]]


def _selected(language: str, outcomes: Outcomes, strategy: str) -> Selected:
    everything = np.ones(len(outcomes.instance), dtype=bool)
    best = _best(outcomes, everything, strategy)
    return Selected(
        language=language,
        cell=outcomes.cells[best],
        accuracy=float(_macro(outcomes, everything)[best]),
        baseline_accuracy=float(
            np.mean([rows.baseline.mean() for _, rows in by_language(outcomes)])
        ),
        n=len(outcomes.instance),
    )


def _best(outcomes: Outcomes, chosen: Bools, strategy: str) -> int:
    """Return the column of the cell that is best on the chosen instances."""
    order = order_of(outcomes, strategy)
    # Sums in another order differ in their last bits, so equal accuracies are rounded to ties.
    accuracy = np.round(_macro(outcomes, chosen), 12)
    return order[int(accuracy[order].argmax())]


def _macro(outcomes: Outcomes, chosen: Bools) -> npt.NDArray[np.float64]:
    """Return the macro average of each cell's accuracy on the chosen instances, [V]."""
    means = [
        outcomes.correct[inside].mean(0)
        for language in outcomes.languages
        if (inside := chosen & (outcomes.language == language)).any()
    ]
    return np.asarray(np.mean(means, axis=0))


def eligible(outcomes: Outcomes, strategy: str) -> list[int]:
    """Return the columns of the cells that a strategy may select.

    Raises:
        ConfigError: the strategy is unknown.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(unknown("strategy", strategy, STRATEGIES))
    if strategy == "target_first":
        return [number for number, cell in enumerate(outcomes.cells) if cell.target_layer == 0]
    if strategy == "source_last":
        last = outcomes.n_layers - 1 if outcomes.n_layers else None
        return [number for number, cell in enumerate(outcomes.cells) if cell.source_layer == last]
    return list(range(len(outcomes.cells)))


def order_of(outcomes: Outcomes, strategy: str) -> list[int]:
    """Return the columns that a strategy may select; the first one wins in a tie.

    Raises:
        ConfigError: the strategy is unknown.
        OutputError: no cell of the grid fits the strategy.
    """
    if columns := eligible(outcomes, strategy):
        cells = outcomes.cells
        return sorted(columns, key=lambda k: (cells[k].target_layer, -cells[k].source_layer))
    wanted = "target layer 0" if strategy == "target_first" else "the last source layer"
    raise OutputError(
        f"{outcomes.run.folder.path} has no cell with {wanted}, which strategy {strategy} needs; "
        "run with grid=full, or choose another strategy"
    )
