"""The table on the answers of each run: cut off, unreadable, and where gains come from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xtransplant.analysis.contrasts import Scope, scopes
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import figure, labels


def _rows(study: Study) -> Iterator[Record]:
    for one in study.outcomes:
        for scope in scopes(study, one):
            yield {
                **labels(scope),
                "control": one.identity.control,
                "cells": len(one.cells),
                "n": scope.n,
                **_texts(scope),
                **_changes(scope),
            }


def _texts(scope: Scope) -> Record:
    one = scope.outcomes
    n_cells = len(one.cells)
    return {
        **figure("baseline_cut_off", scope.interval(one.baseline_cut_off)),
        **figure("cut_off", scope.interval(one.n_cut_off / n_cells)),
        **figure("baseline_unparsable", scope.interval(one.baseline_unparsable)),
        **figure("unparsable", scope.interval(one.n_unparsable / n_cells)),
        **figure("distinct_answers", scope.interval(one.n_distinct, (0.0, n_cells))),
    }


def _changes(scope: Scope) -> Record:
    """Return the shares of answers, over instances and cells, that a cell changed."""
    one = scope.outcomes
    right, wrong = one.correct.mean(1), ~one.baseline
    unreadable = one.baseline_unparsable
    return {
        **figure("format_repaired", scope.interval(np.where(wrong & unreadable, right, 0))),
        **figure("wrong_to_right", scope.interval(np.where(wrong & ~unreadable, right, 0))),
        **figure("lost", scope.interval(np.where(one.baseline, 1 - right, 0))),
    }


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
