"""The scorers' values, such as F1, of fixed cells beside the baseline."""

from __future__ import annotations

import numpy as np

from xtransplant.analysis.contrasts import difference
from xtransplant.analysis.fixed_cells import FixedCells, fixed_cells
from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.scored_values import ScoredValues, scored_values
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import contrast_columns, figure, labels, with_bh


def _rows(study: Study) -> list[Record]:
    return with_bh(
        [
            _row(fixed, scored)
            for one in study.experiments
            for scored in scored_values(one)
            for fixed in fixed_cells(study, one)
        ]
    )


def _row(fixed: FixedCells, whole: ScoredValues) -> Record:
    scope = fixed.scope
    scored = whole.of_instances(scope.outcomes)
    baseline, cells = scored.baseline, scored.cells
    value = _at(fixed, cells)
    return {
        **labels(scope),
        "scorer": scored.scorer,
        "chosen": fixed.chosen,
        "cell": " ".join(str(cell) for cell in dict.fromkeys(fixed.cells.values())),
        "n": scope.n,
        **figure("baseline_value", scope.interval(baseline)),
        **figure("value", scope.interval(value)),
        **contrast_columns(difference(scope, value, baseline)),
        "p_bh": None,
        "mean_cell_value": float(scope.mean(cells).mean()),
        "bound_value": float(scope.mean(cells.max(1))[0]),
    }


def _at(fixed: FixedCells, cells: Floats) -> Floats:
    """Return the value of each instance at the cell of its language, [I]."""
    one = fixed.scope.outcomes
    value = np.zeros(len(cells))
    for language, cell in fixed.cells.items():
        own = one.language == language
        value[own] = cells[own, one.cells.index(cell)]
    return value


VALUES_TABLE = TableDefinition(
    name="values",
    title="Values of scorers, such as F1, at fixed cells",
    note=(
        "Mean of a scorer's value, 0 to 1, for the scorers that give one. Bound: of the best cell "
        "of each instance, chosen with the gold answer. p: permutation of clusters; p_bh: "
        "Benjamini and Hochberg within task, split and model. The best cell is the one with most "
        "right answers, chosen on the instances that judge it."
    ),
    rows=lambda rows: _rows(rows.study),
    percent=("difference",),
)
