"""T2: upper bounds, each compared with the same bound of every control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xtransplant.analysis.contrasts import Scope, scopes
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.replicates import averaged, averaged_difference, averaged_interval
from xtransplant.analysis.seeds_of_controls import controls_of, seeds
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import contrast_columns, figure, labels

BOUNDS = ("upper bound", "source-fixed", "target-fixed")


def _rows(study: Study) -> Iterator[Record]:
    """Yield a row for each bound and control; without controls, a row for each bound."""
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
    """Return the best, mean and median accuracy of single cells of the grid."""
    accuracy = scope.mean(scope.outcomes.correct)
    return {
        "best_cell": float(accuracy.max()),
        "mean_cell": float(accuracy.mean()),
        "median_cell": float(np.median(accuracy)),
    }


def _control_columns(scope: Scope, bound: str, found: Bools) -> Iterator[Record]:
    """Yield the columns of each control that has all languages of the scope.

    Args:
        scope: scope of the experiment.
        bound: one of `BOUNDS`.
        found: mask of the experiment's instances that the bound counts as right, [I].
    """
    for control, inside, runs in controls_of(scope):
        theirs, layer = _bound_of_seeds(bound, inside, runs)
        n_cells = len(control.cells)
        unparsable = averaged(seeds(runs, lambda run: run.n_unparsable / len(run.cells)))
        distinct = averaged(seeds(runs, lambda run: run.n_distinct))
        yield {
            "control": _bound_name(control.identity.control_name, layer),
            "seeds": len(runs),
            **figure("control_accuracy", averaged_interval(inside, theirs)),
            "control_mean_cell": float(np.mean([inside.mean(run.correct).mean() for run in runs])),
            **figure("control_distinct_answers", inside.interval(distinct, (0.0, n_cells))),
            **figure("control_unparsable", inside.interval(unparsable)),
            **contrast_columns(averaged_difference(inside, found[scope.rows], theirs)),
        }


def _bound(bound: str, scope: Scope) -> tuple[Bools, int | None]:
    """Return which instances a bound counts, [I], and the fixed layer that is best for it."""
    right, layer = _bound_of_seeds(bound, scope, [scope.outcomes])
    return right[:, 0], layer


def _bound_of_seeds(bound: str, scope: Scope, runs: Sequence[Outcomes]) -> tuple[Bools, int | None]:
    """Return which instances a bound counts, [I, S], and the layer that is best for all seeds."""
    if bound == "upper bound":
        return np.stack([run.upper_bound for run in runs], axis=1), None
    side = "source_layer" if bound == "source-fixed" else "target_layer"
    layers, _ = runs[0].any_by_layer(side)
    right = np.stack([run.any_by_layer(side)[1] for run in runs], axis=1)
    best = int(scope.mean(right.mean(1)).argmax())
    return right[:, :, best], layers[best]


def _bound_name(name: str, layer: int | None) -> str:
    return name if layer is None else f"{name} {layer}"


T2 = TableDefinition(
    name="T2_upper_bounds",
    title="Upper bounds and their controls",
    note=(
        "A bound counts an instance as right if any of many cells is right, so it knows the gold "
        "answers. Only its excess over a control with as many cells is evidence. Source-fixed and "
        "target-fixed: bound with the best fixed layer, chosen for the experiment and for the "
        "control separately; the interval takes the layers as given. Best, mean and median cell: "
        "accuracy of single cells of the grid; the best one is chosen with the gold answers. "
        "Several seeds of a control are averaged by instance, and their spread is in the interval "
        "(p: seeds)."
    ),
    rows=lambda rows: list(_rows(rows.study)),
    percent=(
        *("baseline", "accuracy", "control_accuracy", "difference"),
        *("unparsable", "baseline_unparsable", "control_unparsable"),
        *("best_cell", "mean_cell", "median_cell", "control_mean_cell"),
    ),
    hidden=("test", "p"),
)
