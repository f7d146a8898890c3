"""Columns that several tables share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from xtransplant.analysis.contrasts import Contrast, Scope, difference
from xtransplant.analysis.intervals import Intervals
from xtransplant.analysis.sensitivity import detectable_gain, equivalence
from xtransplant.analysis.significance import corrected
from xtransplant.reporting.table import Record

ENDS = ("", "_low", "_high")
"""What follows the name of a figure in the columns of the figure and of its interval."""
EQUIVALENT = "p_equivalent"
"""Column of the p-value of a difference of the margin or more."""


def labels(scope: Scope) -> Record:
    """Return the first columns of every row: the run, and the language or the average."""
    return {**scope.study.labels(scope.outcomes), "language": scope.label}


def figure(name: str, intervals: Intervals) -> Record:
    """Return a single estimate and its interval in the columns `name`, `name_low`, `name_high`."""
    return {
        name: float(intervals.estimate[0]),
        f"{name}_low": float(intervals.low[0]),
        f"{name}_high": float(intervals.high[0]),
    }


def contrast_columns(contrast: Contrast) -> Record:
    """Return the columns of a difference with its interval, test and uncorrected p-value."""
    found, test, p = contrast
    return {**figure("difference", found), "test": test, "p": float(p[0])}


def difference_columns(scope: Scope, left: npt.ArrayLike, right: npt.ArrayLike) -> Record:
    """Return the columns of the difference of two arrays of outcomes, [I] each."""
    return contrast_columns(difference(scope, left, right))


def sensitivity_columns(scope: Scope, differences: npt.ArrayLike, contrast: Contrast) -> Record:
    """Return what a difference could have shown, and whether it is less than the margin."""
    return {
        "detectable": detectable_gain(scope, differences, contrast),
        EQUIVALENT: equivalence(scope, differences, contrast),
    }


def with_bh(rows: Sequence[Record]) -> list[Record]:
    """Return the rows with `p_bh`: corrected within task, split and model."""
    families: dict[tuple[str, ...], list[Record]] = {}
    for row in rows:
        families.setdefault((row["task"], row["split"], row["model"]), []).append(row)
    for family in families.values():
        for row, p in zip(family, corrected([row["p"] for row in family], "bh"), strict=True):
            row["p_bh"] = float(p)
    return list(rows)
