"""T1: the paper's coarse settings, one cell fixed beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from xtransplant.analysis.contrasts import difference, scopes
from xtransplant.analysis.fixed_cells import coarse_cell
from xtransplant.analysis.selection import column
from xtransplant.analysis.sensitivity import detectable_gain
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import contrast_columns, figure, labels


def _rows(study: Study) -> Iterator[Record]:
    """Yield a row for each scope of the experiments that include the coarse cell."""
    for one in study.experiments:
        cell = coarse_cell(one)
        number = column(one, cell) if cell else None
        if number is None:
            continue
        right = one.correct[:, number]
        for scope in scopes(study, one):
            contrast = difference(scope, right, one.baseline)
            yield {
                **labels(scope),
                "cell": str(cell),
                "n": scope.n,
                **figure("baseline", scope.interval(one.baseline)),
                **figure("accuracy", scope.interval(right)),
                **contrast_columns(contrast),
                "detectable": detectable_gain(scope, right.astype(float) - one.baseline, contrast),
            }


T1 = TableDefinition(
    name="T1_coarse",
    title="Coarse settings: one cell fixed beforehand",
    note=(
        "95 % intervals over clusters; difference is to the baseline, paired. Detectable: the "
        "smallest gain that such a sample finds in 80 % of cases."
    ),
    rows=lambda rows: list(_rows(rows.study)),
    percent=("baseline", "accuracy", "difference", "detectable"),
    hidden=("test", "p"),
)
