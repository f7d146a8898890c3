"""T1: the paper's coarse settings, one cell fixed beforehand."""

from __future__ import annotations

from collections.abc import Iterator

from xtransplant.analysis.contrasts import scopes
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.selection import column
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import difference_columns, figure, labels
from xtransplant.types import Cell


def _coarse_cell(outcomes: Outcomes) -> Cell | None:
    """Return the paper's coarse cell of a module, None where it has none or N is unknown."""
    if outcomes.identity.module == "mlp":
        return Cell(0, 0)
    if outcomes.identity.module in ("attn", "attn_residual") and outcomes.n_layers:
        return Cell(outcomes.n_layers - 1, 0)
    return None


def _rows(study: Study) -> Iterator[Record]:
    """Yield a row for each scope of the experiments that have the cell."""
    for one in study.experiments:
        cell = _coarse_cell(one)
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
