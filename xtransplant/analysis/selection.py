"""Choosing one cell for all instances, and judging it on instances that did not choose it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.errors import ConfigError, OutputError, unknown
from xtransplant.types import Cell

STRATEGIES = ("overall", "target_first", "source_last")
"""Any cell; target layer 0; source layer N-1 (arXiv 2412.12686, table 5)."""
POOLED = "all"
"""Stands for the language where one cell is chosen for all of them."""
N_FOLDS = 5


@dataclass(frozen=True)
class Selected:
    """The best cell of one language, or of all: its accuracy is in-sample, so optimistic."""

    language: str
    cell: Cell
    accuracy: float
    baseline_accuracy: float
    n: int


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Verdicts with cells that other instances chose.

    Attributes:
        correct: [I].
        cells: what each fold got; of one language or of all.
    """

    correct: Bools
    cells: tuple[Cell, ...]


def select(outcomes: Outcomes, strategy: str, *, pooled: bool) -> list[Selected]:
    """Choose a cell by language, or one by the mean of the languages' accuracies.

    Of cells with the same accuracy that with the smallest target layer is chosen, then that with
    the largest source layer.

    Raises:
        ConfigError: an unknown strategy.
        OutputError: no cell of the grid fits the strategy.
    """
    groups = [(POOLED, outcomes)] if pooled else by_language(outcomes)
    return [_selected(language, rows, strategy) for language, rows in groups]


def held_out(outcomes: Outcomes, strategy: str, n_folds: int = N_FOLDS) -> HeldOut:
    """Choose a cell on all folds but one and judge it on that one, fold by fold.

    Folds are made of whole clusters, by name, so that they are the same in every language: what is
    known of a question in one language never chooses for the same question in another.

    Args:
        outcomes: of one language, or of several, for which one cell is then chosen.
        strategy: see `select`.
        n_folds: at most; fewer where there are fewer clusters.

    Raises:
        ConfigError, OutputError: as `select`; a single cluster.
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
            f"{outcomes.run.folder.path} has one cluster of instances; choosing on some and "
            "judging on others needs two: run with more instances"
        )
    return HeldOut(correct, tuple(cells))


def folds(cluster: npt.NDArray[np.str_], n_folds: int) -> npt.NDArray[np.int64]:
    """Return the fold of each instance: that of its cluster, by a shuffle that hangs on names."""
    names, codes = np.unique(cluster, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    return np.asarray((order % min(n_folds, len(names)))[codes], dtype=np.int64)


def by_language(outcomes: Outcomes) -> list[tuple[str, Outcomes]]:
    """Return the rows of each language."""
    return [(language, outcomes.only(language)) for language in outcomes.languages]


def column(outcomes: Outcomes, cell: Cell) -> int | None:
    """Return the place of a cell in a run's grid, None if it has no such cell."""
    return outcomes.cells.index(cell) if cell in outcomes.cells else None


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
    """Return the place of the cell that is best on the chosen instances."""
    places = _require_eligible(outcomes, strategy)
    # Means of the same counts in another order differ in their last bits; they are ties.
    accuracy = np.round(_macro(outcomes, chosen), 12)
    return min(
        places,
        key=lambda place: (
            -accuracy[place],
            outcomes.cells[place].target_layer,
            -outcomes.cells[place].source_layer,
        ),
    )


def _macro(outcomes: Outcomes, chosen: Bools) -> npt.NDArray[np.float64]:
    """Return each cell's accuracy on the chosen instances: the mean of the languages' means."""
    means = [
        outcomes.correct[inside].mean(0)
        for language in outcomes.languages
        if (inside := chosen & (outcomes.language == language)).any()
    ]
    return np.asarray(np.mean(means, axis=0))


def eligible(outcomes: Outcomes, strategy: str) -> list[int]:
    """Return the places of the cells that a strategy may choose.

    Raises:
        ConfigError: an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(unknown("strategy", strategy, STRATEGIES))
    if strategy == "target_first":
        return [place for place, cell in enumerate(outcomes.cells) if cell.target_layer == 0]
    if strategy == "source_last":
        last = outcomes.n_layers - 1 if outcomes.n_layers else None
        return [place for place, cell in enumerate(outcomes.cells) if cell.source_layer == last]
    return list(range(len(outcomes.cells)))


def _require_eligible(outcomes: Outcomes, strategy: str) -> list[int]:
    if places := eligible(outcomes, strategy):
        return places
    wanted = "target layer 0" if strategy == "target_first" else "the last source layer"
    raise OutputError(
        f"{outcomes.run.folder.path} has no cell with {wanted}, which strategy {strategy} needs; "
        "run with grid=full, or choose another strategy"
    )
