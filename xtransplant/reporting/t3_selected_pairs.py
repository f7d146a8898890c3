"""T3: selected pairs, judged on instances that did not select them."""

from __future__ import annotations

from xtransplant.analysis.protocols import Judged, judged_pairs
from xtransplant.reporting.table import Record, StudyRows, TableDefinition
from xtransplant.reporting.table_rows import difference_columns, figure, labels


def _rows(rows: StudyRows) -> list[Record]:
    return [_row(pair) for one in rows.study.experiments for pair in judged_pairs(rows.study, one)]


def _row(pair: Judged) -> Record:
    scope = pair.scope
    return {
        **labels(scope),
        "strategy": pair.strategy,
        "chosen": pair.chosen,
        "protocol": pair.protocol,
        "cell": " ".join(str(cell) for cell in dict.fromkeys(pair.cells)),
        "n": scope.n,
        **figure("baseline", scope.interval(scope.outcomes.baseline)),
        **figure("accuracy", scope.interval(pair.correct)),
        **difference_columns(scope, pair.correct, scope.outcomes.baseline),
        "in_sample": pair.in_sample,
    }


T3 = TableDefinition(
    name="T3_selected_pairs",
    title="Selected pairs, judged on instances that did not select them",
    note="In-sample is the accuracy on the selecting instances: optimistic.",
    rows=_rows,
    percent=("baseline", "accuracy", "difference", "in_sample"),
    hidden=("test", "p"),
)
