"""What each run adds to the tables: one record for each figure's worth, intervals beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from xtransplant.analysis.contrasts import DIFFERENCE, Scope, difference, matched, scopes
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.protocols import Judged
from xtransplant.analysis.selection import column
from xtransplant.analysis.statistics import Intervals
from xtransplant.analysis.study import Study
from xtransplant.types import Cell

Record = dict[str, Any]


def figure(name: str, intervals: Intervals, place: int = 0) -> Record:
    """Return a figure and its interval as columns."""
    return {
        name: float(intervals.estimate[place]),
        f"{name}_low": float(intervals.low[place]),
        f"{name}_high": float(intervals.high[place]),
    }


def coarse_cell(outcomes: Outcomes) -> Cell | None:
    """Return the paper's coarse cell of a module, None where it has none or N is unknown."""
    if outcomes.identity.module == "mlp":
        return Cell(0, 0)
    if outcomes.identity.module in ("attn", "attn_residual") and outcomes.n_layers:
        return Cell(outcomes.n_layers - 1, 0)
    return None


def coarse_records(study: Study) -> Iterator[Record]:
    """Yield the paper's coarse settings of the experiments that have the cell."""
    for one in study.experiments:
        cell = coarse_cell(one)
        place = column(one, cell) if cell else None
        if cell is None or place is None:
            continue
        for scope in scopes(study, one):
            yield {
                **_labels(scope),
                "cell": str(cell),
                "n": scope.n,
                **figure("baseline", scope.interval(one.baseline)),
                **figure("accuracy", scope.interval(one.correct[:, place])),
                **_difference(scope, one.correct[:, place], one.baseline),
            }


def bound_records(study: Study) -> Iterator[Record]:
    """Yield each bound of each experiment, once for each control."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        for scope in scopes(study, one):
            for bound in ("upper bound", "source-fixed", "target-fixed"):
                found, layer = _bound(bound, scope)
                own = _bound_record(scope, bound, layer, found)
                compared = list(_controls(study, one, scope, bound, found))
                yield from ({**own, **control} for control in compared or [{"control": ""}])


def _bound_record(scope: Scope, bound: str, layer: int | None, found: Bools) -> Record:
    one = scope.outcomes
    return {
        **_labels(scope),
        "bound": bound if layer is None else f"{bound} {layer}",
        "cells": len(one.cells),
        "n": scope.n,
        **figure("baseline", scope.interval(one.baseline)),
        **figure("accuracy", scope.interval(found)),
        **figure("distinct_answers", scope.interval(one.n_distinct, (0.0, len(one.cells)))),
        **figure("baseline_unparsable", scope.interval(one.baseline_unparsable)),
        **figure("unparsable", scope.interval(one.n_unparsable / len(one.cells))),
    }


def _controls(
    study: Study, one: Outcomes, scope: Scope, bound: str, found: Bools
) -> Iterator[Record]:
    for control in study.controls(one):
        languages = set(one.language[scope.rows].tolist())
        if not languages <= set(control.languages):
            continue
        _, aligned = matched(one.rows_at(scope.rows), control)
        inside = Scope(study, aligned, scope.label, np.ones(len(aligned.language), dtype=bool))
        theirs, layer = _bound(bound, inside)
        name = control.identity.control
        yield {
            "control": name if layer is None else f"{name} {layer}",
            **figure("control_accuracy", inside.interval(theirs)),
            **_difference(inside, found[scope.rows], theirs),
        }


def _bound(bound: str, scope: Scope) -> tuple[Bools, int | None]:
    """Return which instances a bound counts, and the layer that is best for it."""
    if bound == "upper bound":
        return scope.outcomes.upper_bound, None
    side = "source_layer" if bound == "source-fixed" else "target_layer"
    layers, right = scope.outcomes.any_by_layer(side)
    best = int(scope.mean(right).argmax())
    return right[:, best], layers[best]


def _difference(scope: Scope, left: Bools, right: Bools) -> Record:
    found, test, p = difference(scope, left, right)
    return {**figure("difference", found), "test": test, "p": float(p[0])}


def judged_record(pair: Judged) -> Record:
    """Return a selected pair's accuracy where it did not look."""
    scope = pair.scope
    return {
        **_labels(scope),
        "strategy": pair.strategy,
        "chosen": pair.chosen,
        "protocol": pair.protocol,
        "cell": " ".join(str(cell) for cell in dict.fromkeys(pair.cells)),
        "n": scope.n,
        **figure("baseline", scope.interval(scope.outcomes.baseline)),
        **figure("accuracy", scope.interval(pair.correct)),
        **_difference(scope, pair.correct, scope.outcomes.baseline),
        "in_sample": pair.in_sample,
    }


def best_cell_records(study: Study) -> Iterator[Record]:
    """Yield the best cell of each grid with its max-T p-value."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        for scope in scopes(study, one):
            differences = one.correct.astype(np.float64) - one.baseline[:, None]
            best = int(scope.mean(differences).argmax())
            record = {
                **_labels(scope),
                "n": scope.n,
                **figure("difference", scope.interval(differences[:, best], DIFFERENCE)),
                "test": "max_t",
                "p": float(scope.best_of_grid(differences)[best]),
            }
            yield {**record, "cell": str(one.cells[best])}


def cost_record(study: Study, one: Outcomes) -> Record:
    """Return what a run cost per instance."""
    cost, n = one.cost, one.cost["n_instances"]
    return {
        **study.labels(one),
        "control": one.identity.control,
        "cells": len(one.cells),
        "n": int(n),
        "seconds": cost["seconds"] / n,
        "source_tokens": cost["source_tokens"] / n,
        "target_tokens": cost["target_tokens"] / n,
        "baseline_new_tokens": float(one.baseline_tokens.mean()),
        "grid_new_tokens": float(one.cell_tokens.mean()),
        "baseline_flops": cost["baseline_flops"] / n,
        "fixed_cell_flops": cost["cell_flops"] / n,
        "grid_flops": cost["grid_flops"] / n,
        "peak_memory_mib": None if cost["peak_bytes"] is None else cost["peak_bytes"] / 2**20,
    }


def _labels(scope: Scope) -> Record:
    return {**scope.study.labels(scope.outcomes), "language": scope.label}
