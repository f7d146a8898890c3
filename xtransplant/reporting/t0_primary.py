"""T0: the six contrasts that were declared before any number, and what they decide."""

from __future__ import annotations

import numpy as np

from xtransplant.analysis.contrasts import difference
from xtransplant.analysis.primary_family import Found, Sides, primary_contrasts
from xtransplant.analysis.primary_runs import PrimaryRuns, primary_runs
from xtransplant.analysis.significance import corrected
from xtransplant.config import primary_family as declared
from xtransplant.reporting.table import Record, StudyRows, TableDefinition
from xtransplant.reporting.table_rows import (
    EQUIVALENT,
    contrast_columns,
    figure,
    sensitivity_columns,
)

GAIN, LOSS, ALIKE, OPEN = "gain", "loss", "alike", "open"
"""What a contrast decides: alike means that a difference of the margin or more is ruled out."""
ENDS = ("", "_low", "_high")
FIGURES = (
    *(f"{name}{end}" for name in ("accuracy", "compared", "difference") for end in ENDS),
    *("test", "p", "p_holm", "detectable", EQUIVALENT, f"{EQUIVALENT}_holm"),
)
"""The columns that are empty where a contrast has no runs."""


def _rows(rows: StudyRows) -> list[Record]:
    return [row for runs in primary_runs(rows.study) for row in _family(runs)]


def _family(runs: PrimaryRuns) -> list[Record]:
    found = primary_contrasts(runs)
    family = [_row(runs, letter, found[letter]) for letter in declared.CONTRASTS]
    for name in ("p", EQUIVALENT):
        # What was not run counts as one with p = 1, so that leaving it out changes nothing.
        p = [1.0 if row[name] is None else row[name] for row in family]
        for row, holm in zip(family, corrected(p, "holm"), strict=True):
            row[f"{name}_holm"] = None if row[name] is None else float(holm)
    return [{**row, "decides": row["decides"] or _decision(row)} for row in family]


def _row(runs: PrimaryRuns, letter: str, found: Found) -> Record:
    sides = None if isinstance(found, str) else found
    return {
        "task": runs.task,
        "model": runs.model,
        "module": runs.selecting.identity.module if runs.selecting else "",
        "selected_on": runs.selection_split,
        "split": str(sides.scope.outcomes.identity.split) if sides else "",
        "letter": letter,
        "contrast": declared.CONTRASTS[letter],
        "compared_with": sides.what if sides else "",
        "cell": " ".join(map(str, sides.cells)) if sides else "",
        "n": sides.scope.n if sides else None,
        **(_figures(sides) if sides else dict.fromkeys(FIGURES)),
        "margin": runs.study.margin,
        "decides": "" if sides else found,
    }


def _figures(sides: Sides) -> Record:
    scope = sides.scope
    contrast = difference(scope, sides.left, sides.right)
    differences = sides.left.astype(np.float64) - sides.right
    return {
        **figure("accuracy", scope.interval(sides.left)),
        **figure("compared", scope.interval(sides.right)),
        **contrast_columns(contrast),
        "p_holm": None,
        **sensitivity_columns(scope, differences, contrast),
        f"{EQUIVALENT}_holm": None,
    }


def _decision(row: Record) -> str:
    found = []
    if row["p_holm"] <= declared.ALPHA:
        found.append(GAIN if row["difference"] > 0 else LOSS)
    if row[f"{EQUIVALENT}_holm"] <= declared.ALPHA:
        found.append(ALIKE)
    return ", ".join(found) or OPEN


T0 = TableDefinition(
    name="T0_primary",
    title=f"Primary family, version {declared.VERSION}: the contrasts that decide",
    note=(
        "Macro average over languages, strategy overall, preset transplant, on a split that did "
        "not select. The module is the one whose selected pairs do best on the selection split. "
        "p_holm: Holm over all six contrasts; one that was not run counts as p = 1. Detectable: "
        "the smallest gain that such a sample finds in 80 % of cases. p_equivalent: of a "
        "difference of the margin or more (two one-sided tests). Decides: gain, loss, alike (less "
        "than the margin apart), or open; at 5 % for the family of six."
    ),
    rows=_rows,
    percent=("accuracy", "compared", "difference", "detectable", "margin"),
)
