"""T2: upper bounds, each beside the same bound of every control."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xtransplant.analysis.contrasts import Scope, matched, scopes
from xtransplant.analysis.outcomes import Bools
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import difference_columns, figure, labels

BOUNDS = ("upper bound", "source-fixed", "target-fixed")


def _rows(study: Study) -> Iterator[Record]:
    """Yield a row for each bound and control; one without a control where there is none."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        for scope in scopes(study, one):
            for bound in BOUNDS:
                found, layer = _bound(bound, scope)
                own = _own_columns(scope, _bound_name(bound, layer), found)
                compared = list(_control_columns(scope, bound, found))
                yield from ({**own, **control} for control in compared or [{"control": ""}])


def _own_columns(scope: Scope, bound: str, found: Bools) -> Record:
    one = scope.outcomes
    return {
        **labels(scope),
        "bound": bound,
        "cells": len(one.cells),
        "n": scope.n,
        **figure("baseline", scope.interval(one.baseline)),
        **figure("accuracy", scope.interval(found)),
        **_cell_columns(scope),
        **figure("distinct_answers", scope.interval(one.n_distinct, (0.0, len(one.cells)))),
        **figure("baseline_unparsable", scope.interval(one.baseline_unparsable)),
        **figure("unparsable", scope.interval(one.n_unparsable / len(one.cells))),
    }


def _cell_columns(scope: Scope) -> Record:
    """Return the accuracy of the best, the mean and the median cell, which no oracle combines."""
    accuracy = scope.mean(scope.outcomes.correct)
    return {
        "best_cell": float(accuracy.max()),
        "mean_cell": float(accuracy.mean()),
        "median_cell": float(np.median(accuracy)),
    }


def _control_columns(scope: Scope, bound: str, found: Bools) -> Iterator[Record]:
    """Yield the columns of each control that has all languages of the scope.

    Args:
        scope: of the experiment.
        bound: one of `BOUNDS`.
        found: which of the experiment's instances the bound counts, [I].
    """
    one = scope.outcomes
    languages = set(one.language[scope.rows].tolist())
    for control in scope.study.controls(one):
        if not languages <= set(control.languages):
            continue
        _, aligned = matched(one.rows_at(scope.rows), control)
        everything = np.ones(len(aligned.language), dtype=bool)
        inside = Scope(scope.study, aligned, scope.label, everything)
        theirs, layer = _bound(bound, inside)
        yield {
            "control": _bound_name(control.identity.control_name, layer),
            **figure("control_accuracy", inside.interval(theirs)),
            "control_mean_cell": float(inside.mean(aligned.correct).mean()),
            **difference_columns(inside, found[scope.rows], theirs),
        }


def _bound(bound: str, scope: Scope) -> tuple[Bools, int | None]:
    """Return which instances a bound counts, [I], and the fixed layer that is best for it."""
    if bound == "upper bound":
        return scope.outcomes.upper_bound, None
    side = "source_layer" if bound == "source-fixed" else "target_layer"
    layers, right = scope.outcomes.any_by_layer(side)
    best = int(scope.mean(right).argmax())
    return right[:, best], layers[best]


def _bound_name(name: str, layer: int | None) -> str:
    return name if layer is None else f"{name} {layer}"


T2 = TableDefinition(
    name="T2_upper_bounds",
    title="Upper bounds beside their controls",
    note=(
        "A bound keeps the best of many tries with the gold answers in view. What counts is the "
        "excess over a control with as many tries. Source-fixed and target-fixed: of the layer "
        "that is best for it, for the control too; the interval takes the layers as given. "
        "Best, mean and median cell: accuracy of single cells of the grid, the best of them chosen "
        "with the gold answers."
    ),
    rows=lambda rows: list(_rows(rows.study)),
    percent=(
        *("baseline", "accuracy", "control_accuracy", "difference"),
        *("unparsable", "baseline_unparsable"),
        *("best_cell", "mean_cell", "median_cell", "control_mean_cell"),
    ),
    hidden=("test", "p"),
)
