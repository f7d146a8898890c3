"""T5: what each run cost per instance."""

from __future__ import annotations

from xtransplant.analysis.outcomes import Outcomes
from xtransplant.reporting.table import Record, StudyRows, TableDefinition
from xtransplant.store.recorded_cost import RecordedCost


def _rows(rows: StudyRows) -> list[Record]:
    return [
        {**rows.study.labels(one), **_costs(one, one.cost)}
        for one in rows.study.outcomes
        if one.cost
    ]


def _costs(one: Outcomes, cost: RecordedCost) -> Record:
    n = cost.n_instances
    return {
        "control": one.identity.control,
        "cells": len(one.cells),
        "n": n,
        "seconds": cost.seconds / n,
        "source_tokens": cost.source_tokens / n,
        "target_tokens": cost.target_tokens / n,
        "baseline_new_tokens": float(one.baseline_tokens.mean()),
        "grid_new_tokens": float(one.cell_tokens.sum(1).mean()),
        "baseline_flops": cost.baseline_flops / n,
        "fixed_cell_flops": cost.cell_flops / n,
        "grid_flops": cost.grid_flops / n,
        "peak_memory_mib": None if cost.peak_bytes is None else cost.peak_bytes / 2**20,
    }


T5 = TableDefinition(
    name="T5_cost",
    title="Cost per instance",
    note=(
        "Seconds and memory were measured on the run itself, baseline included; memory is beyond "
        "the weights; FLOPs are estimates as in the dry run."
    ),
    rows=_rows,
)
