"""T3: selected pairs, judged on instances that were not used to select them."""

from __future__ import annotations

from xtransplant.analysis.judged import Judged
from xtransplant.analysis.protocols import judged_pairs
from xtransplant.reporting.table import Record, StudyRows, TableDefinition
from xtransplant.reporting.table_rows import (
    ENDS,
    EQUIVALENT,
    contrast_columns,
    figure,
    labels,
    sensitivity_columns,
)

FIGURES = (
    *(f"{name}{end}" for name in ("baseline", "accuracy", "difference") for end in ENDS),
    *("test", "p", "detectable", EQUIVALENT, "in_sample"),
)
"""The columns that are empty in refused rows."""


def _rows(rows: StudyRows) -> list[Record]:
    return [_row(pair) for one in rows.study.experiments for pair in judged_pairs(rows.study, one)]


def _row(pair: Judged) -> Record:
    return {
        **labels(pair.scope),
        "strategy": pair.strategy,
        "chosen": pair.chosen,
        "protocol": pair.protocol,
        "cell": " ".join(str(cell) for cell in dict.fromkeys(pair.cells)),
        "n": pair.scope.n,
        "dropped": pair.n_dropped,
        **_figures(pair),
        "refused": pair.refused,
    }


def _figures(pair: Judged) -> Record:
    if not (pair.accuracy and pair.gain):
        return dict.fromkeys(FIGURES)
    baseline = pair.scope.outcomes.baseline
    return {
        **figure("baseline", pair.scope.interval(baseline)),
        **figure("accuracy", pair.accuracy),
        **contrast_columns(pair.gain),
        **sensitivity_columns(pair.scope, pair.correct.astype(float) - baseline, pair.gain),
        "in_sample": pair.in_sample,
    }


T3 = TableDefinition(
    name="T3_selected_pairs",
    title="Selected pairs, judged on instances that did not select them",
    note=(
        "Instances that overlap with those that selected the pair are dropped. With folds, each "
        "resample selects again. In-sample: accuracy on the selecting instances, optimistic. "
        "Detectable: the smallest gain that such a sample finds in 80 % of cases. p_equivalent: of "
        "a difference of the margin or more (two one-sided tests)."
    ),
    rows=_rows,
    percent=("baseline", "accuracy", "difference", "detectable", "in_sample"),
    hidden=("test", "p"),
)
