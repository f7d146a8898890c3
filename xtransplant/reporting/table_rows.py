"""Columns that several tables share."""

from __future__ import annotations

import numpy.typing as npt

from xtransplant.analysis.contrasts import Contrast, Scope, difference
from xtransplant.analysis.intervals import Intervals
from xtransplant.reporting.table import Record


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
