"""The table on the answers of each run: cut off, unreadable, and where gains come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xtransplant.analysis.contrasts import Scope, scopes
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
                "control": one.identity.control,
                "seeds": len(shared),
                "cells": len(one.cells),
                "n": scope.n,
                **_texts(scope, shared),
                **_changes(scope, shared),
            }


def _texts(scope: Scope, runs: Sequence[Outcomes]) -> Record:
    one, n_cells = scope.outcomes, len(scope.outcomes.cells)
    averages = {
        "cut_off": averaged(seeds(runs, lambda run: run.n_cut_off / n_cells)),
        "unparsable": averaged(seeds(runs, lambda run: run.n_unparsable / n_cells)),
    }
    distinct = averaged(seeds(runs, lambda run: run.n_distinct))
    return {
        **figure("baseline_cut_off", scope.interval(one.baseline_cut_off)),
        **figure("cut_off", scope.interval(averages["cut_off"])),
        **figure("baseline_unparsable", scope.interval(one.baseline_unparsable)),
        **figure("unparsable", scope.interval(averages["unparsable"])),
        **figure("distinct_answers", scope.interval(distinct, (0.0, n_cells))),
    }


def _changes(scope: Scope, runs: Sequence[Outcomes]) -> Record:
    """Return the shares of answers, over instances and cells, that a cell changed."""
    one = scope.outcomes
    right, wrong = averaged(seeds(runs, lambda run: run.correct.mean(1))), ~one.baseline
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
