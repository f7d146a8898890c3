"""T1: the paper's coarse settings, one cell fixed beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from xtransplant.analysis.contrasts import scopes
from xtransplant.analysis.fixed_cells import coarse_cell
from xtransplant.analysis.selection import column
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import difference_columns, figure, labels


def _rows(study: Study) -> Iterator[Record]:
    """Yield a row for each scope of the experiments that include the coarse cell."""
    for one in study.experiments:
        cell = coarse_cell(one)
        number = column(one, cell) if cell else None
        if number is None:
            continue
        right = one.correct[:, number]
        for scope in scopes(study, one):
            yield {
                **labels(scope),
                "cell": str(cell),
                "n": scope.n,
                **figure("baseline", scope.interval(one.baseline)),
                **figure("accuracy", scope.interval(right)),
                **difference_columns(scope, right, one.baseline),
            }


T1 = TableDefinition(
    name="T1_coarse",
    title="Coarse settings: one cell fixed beforehand",
    note="95 % intervals over clusters; difference is to the baseline, paired.",
    rows=lambda rows: list(_rows(rows.study)),
    percent=("baseline", "accuracy", "difference"),
    hidden=("test", "p"),
)
