"""Columns that several tables have."""

from __future__ import annotations

import numpy.typing as npt

from xtransplant.analysis.contrasts import Scope, difference
from xtransplant.analysis.intervals import Intervals
from xtransplant.reporting.table import Record


def labels(scope: Scope) -> Record:
    """Return what every row begins with: which run, and which language or average."""
    return {**scope.study.labels(scope.outcomes), "language": scope.label}


def figure(name: str, intervals: Intervals, place: int = 0) -> Record:
    """Return a figure and its interval.

    Args:
        name: of the column; those of the bounds end in `_low` and `_high`.
        intervals: of figures side by side.
        place: which of them, from 0.
    """
    return {
        name: float(intervals.estimate[place]),
        f"{name}_low": float(intervals.low[place]),
        f"{name}_high": float(intervals.high[place]),
    }


def difference_columns(scope: Scope, left: npt.ArrayLike, right: npt.ArrayLike) -> Record:
    """Return left less right, both [I] of right or wrong, with its test and uncorrected p."""
    found, test, p = difference(scope, left, right)
    return {**figure("difference", found), "test": test, "p": float(p[0])}
