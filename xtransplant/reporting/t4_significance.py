"""T4: all differences of T1, T2 and T3 and of the best cells, with tests and p-values."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from xtransplant.analysis.contrasts import scopes
from xtransplant.analysis.study import Study
from xtransplant.reporting.t1_coarse import T1
from xtransplant.reporting.t2_upper_bounds import T2
from xtransplant.reporting.t3_selected_pairs import T3
from xtransplant.reporting.table import Record, StudyRows, TableDefinition
from xtransplant.reporting.table_rows import figure, labels, with_bh

CONTRASTS: tuple[tuple[TableDefinition, Callable[[Record], str]], ...] = (
    (T1, lambda row: f"{row['cell']} - baseline"),
    (T3, lambda row: f"{row['strategy']} ({row['chosen']}, {row['protocol']}) - baseline"),
    (T2, lambda row: f"{row['bound']} - {row['control']}"),
)
"""The tables whose differences are collected here, and the name of each row's contrast."""
SHOWN = ("n", "difference", "difference_low", "difference_high", "test", "p")


def _rows(rows: StudyRows) -> list[Record]:
    found = [
        _contrast(rows.study, row, name(row))
        for table, name in CONTRASTS
        for row in rows.of(table)
        if row.get("p") is not None  # a bound without a control and a refused pair have none
    ]
    for row in _best_cells(rows.study):
        found.append(_contrast(rows.study, row, f"best cell {row['cell']} (optimistic) - baseline"))
    return with_bh(found)


def _contrast(study: Study, row: Record, name: str) -> Record:
    kept = (*study.label_names, "language")
    return {
        **{key: row[key] for key in kept},
        "contrast": name,
        **{key: row[key] for key in SHOWN},
    }


def _best_cells(study: Study) -> Iterator[Record]:
    """Yield the best cell of each grid with its max-T p-value, unless no cell is ever right."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        for scope in scopes(study, one):
            if not one.correct[scope.rows].any():
                continue
            differences = one.correct.astype(np.float64) - one.baseline[:, None]
            best = int(scope.mean(differences).argmax())
            p = scope.best_of_grid(differences)[best : best + 1]
            yield {
                **labels(scope),
                "cell": str(one.cells[best]),
                "n": scope.n,
                **figure("difference", scope.difference_interval(differences[:, best], p)),
                "test": "max_t",
                "p": float(p[0]),
            }


T4 = TableDefinition(
    name="T4_significance",
    title="Contrasts",
    note=(
        "p: exact McNemar test (mcnemar), permutation of clusters (sign_flip), permutation for the "
        "best cell of the grid (max_t), or resamples that select again (refitted_folds). p_bh: "
        "Benjamini and Hochberg within task, split and model. The contrasts that decide are in T0."
    ),
    rows=_rows,
    percent=("difference",),
)
