"""The table on the answers of each run: cut off, unreadable, and where gains come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.contrasts import SHARE, Scope, scopes
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.replicates import averaged
from xtransplant.analysis.seeds_of_controls import seeds
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import figure, labels


def _rows(study: Study) -> Iterator[Record]:
    for one in study.outcomes:
        runs = [one] if one.identity.is_experiment else study.replicates(one)
        if runs[0] is not one:
            continue
        for scope in scopes(study, one):
            shared = [run.aligned_with(one) for run in runs if set(one.names) <= set(run.names)]
            yield {
                **labels(scope),
                "control": one.identity.control_name,
                "seeds": len(shared),
                "cells": len(one.cells),
                "n": scope.n,
                **_texts(scope, shared),
                **_changes(scope, shared),
            }


def _texts(scope: Scope, runs: Sequence[Outcomes]) -> Record:
    one, n_cells = scope.outcomes, _n_cells(scope)
    averages = {
        "cut_off": averaged(seeds(runs, lambda run: run.n_cut_off / n_cells)),
        "unparsable": averaged(seeds(runs, lambda run: run.n_unparsable / n_cells)),
    }
    distinct = averaged(seeds(runs, lambda run: run.n_distinct))
    return {
        **figure("baseline_cut_off", scope.interval(one.baseline_cut_off)),
        **_of_cells("cut_off", scope, averages["cut_off"]),
        **figure("baseline_unparsable", scope.interval(one.baseline_unparsable)),
        **_of_cells("unparsable", scope, averages["unparsable"]),
        **_of_cells("distinct_answers", scope, distinct, (0.0, n_cells)),
    }


def _changes(scope: Scope, runs: Sequence[Outcomes]) -> Record:
    """Return the shares of answers, over instances and cells, that a cell changed."""
    one = scope.outcomes
    one, n_cells = scope.outcomes, _n_cells(scope)
    right = averaged(seeds(runs, lambda run: run.correct.sum(1) / n_cells))
    wrong = ~one.baseline
    unreadable = one.baseline_unparsable
    return {
        **_of_cells("format_repaired", scope, np.where(wrong & unreadable, right, 0)),
        **_of_cells("wrong_to_right", scope, np.where(wrong & ~unreadable, right, 0)),
        **_of_cells("lost", scope, np.where(one.baseline, 1 - right, 0)),
    }


def _n_cells(scope: Scope) -> int:
    """Return the number of cells to divide by: 1 in a run without any, whose figures are empty."""
    return max(1, len(scope.outcomes.cells))


def _of_cells(
    name: str, scope: Scope, values: npt.ArrayLike, bounds: tuple[float, float] = SHARE
) -> Record:
    """Return a figure over cells with its interval; empty in a run without cells."""
    if not scope.outcomes.cells:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return figure(name, scope.interval(values, bounds))


ANSWERS = TableDefinition(
    name="answers",
    title="What the answers look like",
    note=(
        "Shares of the baseline's answers, and of the answers of all cells. Cut off: ended by the "
        "token limit. Unparsable: without a readable answer. Gains of an average cell: format "
        "repaired, if the baseline's answer could not be read; wrong to right, if it could. Lost: "
        "the reverse of both."
    ),
    rows=lambda rows: list(_rows(rows.study)),
    percent=(
        *("baseline_cut_off", "cut_off", "baseline_unparsable", "unparsable"),
        *("format_repaired", "wrong_to_right", "lost"),
    ),
)
