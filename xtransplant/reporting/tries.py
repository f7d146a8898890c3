"""The excess of the upper bound over that of each control, by number of tries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xtransplant.analysis.contrasts import Scope, scopes
from xtransplant.analysis.expected_bound import of_tries
from xtransplant.analysis.replicates import averaged, averaged_difference
from xtransplant.analysis.seeds_of_controls import controls_of
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import contrast_columns, figure, labels, with_bh

TRIES = (1, 4, 16, 64)
"""Numbers of cells drawn from the grid; all of them come last."""
CEILING = 0.97
CANNOT_TELL = "cannot tell: the control is above 97 %"


def _rows(study: Study) -> list[Record]:
    grids = [one for one in study.experiments if one.is_grid]
    return with_bh([row for one in grids for scope in scopes(study, one) for row in _of(scope)])


def _of(scope: Scope) -> Iterator[Record]:
    n_cells = len(scope.outcomes.cells)
    tries = np.array([*(number for number in TRIES if number < n_cells), n_cells])
    own = of_tries(scope.outcomes, tries)
    for control, inside, runs in controls_of(scope):
        theirs = np.stack([of_tries(run, tries) for run in runs], axis=2)
        for place, number in enumerate(tries.tolist()):
            of_control = float(inside.mean(averaged(theirs[:, place]))[0])
            yield {
                **labels(scope),
                "control": control.identity.control,
                "seeds": len(runs),
                "tries": number,
                "of_cells": n_cells,
                "n": scope.n,
                **figure("bound", scope.interval(own[:, place])),
                "control_bound": of_control,
                **contrast_columns(
                    averaged_difference(inside, own[scope.rows, place], theirs[:, place])
                ),
                "p_bh": None,
                "remark": CANNOT_TELL if of_control > CEILING else "",
            }


TRIES_TABLE = TableDefinition(
    name="tries",
    title="Excess of the upper bound over its controls, by number of tries",
    note=(
        "Bound of K tries: the share of instances that at least one of K cells drawn from the grid "
        "is expected to answer. Where the control's bound is above 97 %, nearly every instance is "
        "answered by chance, and the excess cannot tell whether the transplant does more. p_bh: "
        "Benjamini and Hochberg within task, split and model."
    ),
    rows=lambda rows: _rows(rows.study),
    percent=("bound", "control_bound", "difference"),
)
