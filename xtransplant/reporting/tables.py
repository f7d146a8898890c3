"""The paper's tables T1 to T5 as frames: shares from 0 to 1, with `<name>_low` and `<name>_high`.

Rows are long, one figure's worth each, so that every one has its n. How a table is printed is
`print_tables`' affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xtransplant.analysis.protocols import judged_pairs
from xtransplant.analysis.statistics import Floats, corrected
from xtransplant.analysis.study import Study
from xtransplant.reporting.table_rows import (
    Record,
    best_cell_records,
    bound_records,
    coarse_records,
    cost_record,
    judged_record,
)


@dataclass(frozen=True, eq=False)
class Table:
    """One table.

    Attributes:
        name: of its files.
        title: above it.
        note: below it, what a reader must know.
        frame: its rows.
        percent: columns that are shares, shown in percent.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    percent: tuple[str, ...]


def all_tables(study: Study) -> list[Table]:
    """Return T1 to T5 of a study; a table to which no run contributes has no rows."""
    judged = [judged_record(pair) for one in study.experiments for pair in judged_pairs(study, one)]
    coarse, bounds = list(coarse_records(study)), list(bound_records(study))
    best = list(best_cell_records(study))
    return [
        Table(
            "T1_coarse",
            "Coarse settings: one cell fixed beforehand",
            "95 % cluster bootstrap intervals; difference is to the baseline, paired.",
            _frame(coarse, hide=("test", "p")),
            ("baseline", "accuracy", "difference"),
        ),
        Table(
            "T2_upper_bounds",
            "Upper bounds beside their controls",
            "A bound keeps the best of many tries with the gold answers in view. What counts is "
            "the excess over a control with as many tries. Source-fixed and target-fixed: of the "
            "layer that is best for it, for the control too; the interval takes the layers as "
            "given.",
            _frame(bounds, hide=("test", "p")),
            (
                *("baseline", "accuracy", "control_accuracy", "difference"),
                *("unparsable", "baseline_unparsable"),
            ),
        ),
        Table(
            "T3_selected_pairs",
            "Selected pairs, judged on instances that did not select them",
            "In-sample is the accuracy on the selecting instances: optimistic.",
            _frame(judged, hide=("test", "p")),
            ("baseline", "accuracy", "difference", "in_sample"),
        ),
        Table(
            "T4_significance",
            "Contrasts",
            "p: exact McNemar, or permutation of clusters (sign_flip), or of the best cell of the "
            "grid (max_t). Holm within task, split and model.",
            _with_holm(_frame(_contrasts(study, coarse, bounds, judged, best))),
            ("difference",),
        ),
        Table(
            "T5_cost",
            "Cost per instance",
            "Seconds and memory were measured on the run itself, baseline included; memory is "
            "beyond the weights; FLOPs are estimates as in the dry run.",
            _frame([cost_record(study, one) for one in study.outcomes if one.cost]),
            (),
        ),
    ]


def _contrasts(
    study: Study,
    coarse: list[Record],
    bounds: list[Record],
    judged: list[Record],
    best: list[Record],
) -> list[Record]:
    """Return the rows of T4: each difference that another table or figure shows."""
    labels = [name for one in study.experiments[:1] for name in (*study.labels(one), "language")]
    return [
        *(_contrast(one, f"{one['cell']} - baseline", labels) for one in coarse),
        *(
            _contrast(
                one, f"{one['strategy']} ({one['chosen']}, {one['protocol']}) - baseline", labels
            )
            for one in judged
        ),
        *(
            _contrast(one, f"{one['bound']} - {one['control']}", labels)
            for one in bounds
            if "p" in one
        ),
        *(
            _contrast(one, f"best cell {one['cell']} (optimistic) - baseline", labels)
            for one in best
        ),
    ]


def _contrast(record: Record, name: str, labels: Sequence[str]) -> Record:
    shown = ("n", "difference", "difference_low", "difference_high", "test", "p")
    return {
        **{key: record[key] for key in labels},
        "contrast": name,
        **{key: record[key] for key in shown},
    }


def _with_holm(frame: pd.DataFrame) -> pd.DataFrame:
    if not len(frame):
        return frame
    holm: Floats = np.zeros(len(frame))
    for rows in frame.groupby(["task", "split", "model"], sort=False).indices.values():
        holm[rows] = corrected(frame["p"].to_numpy(dtype=np.float64)[rows], "holm")
    return frame.assign(p_holm=holm)


def _frame(records: list[Record], hide: tuple[str, ...] = ()) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    return frame.drop(columns=[name for name in hide if name in frame])
