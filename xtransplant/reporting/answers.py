"""What the answers of each run look like: cut off or unreadable, and where gains come from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.contrasts import SHARE, Scope, scopes
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import figure, labels


def _rows(study: Study) -> Iterator[Record]:
    for one in study.outcomes:
        for scope in scopes(study, one):
            yield {
                **labels(scope),
                "control": one.identity.control_name,
                "cells": len(one.cells),
                "n": scope.n,
                **_texts(scope),
                **_changes(scope),
            }


def _texts(scope: Scope) -> Record:
    one = scope.outcomes
    n_cells = _n_cells(scope)
    return {
        **figure("baseline_cut_off", scope.interval(one.baseline_cut_off)),
        **_of_cells("cut_off", scope, one.n_cut_off / n_cells),
        **figure("baseline_unparsable", scope.interval(one.baseline_unparsable)),
        **_of_cells("unparsable", scope, one.n_unparsable / n_cells),
        **_of_cells("distinct_answers", scope, one.n_distinct, (0.0, n_cells)),
    }


def _changes(scope: Scope) -> Record:
    """Return the shares of answers, over instances and cells, that a cell changed."""
    one = scope.outcomes
    right, wrong = one.correct.sum(1) / _n_cells(scope), ~one.baseline
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
        "Shares of answers: of the baseline's, and of those of all cells. Cut off: ended by the "
        "token limit. Unparsable: without a readable answer. Gains of an average cell are format "
        "repaired, where the baseline's answer could not be read, and wrong to right, where it "
        "could; lost is the reverse of both."
    ),
    rows=lambda rows: list(_rows(rows.study)),
    percent=(
        *("baseline_cut_off", "cut_off", "baseline_unparsable", "unparsable"),
        *("format_repaired", "wrong_to_right", "lost"),
    ),
)
