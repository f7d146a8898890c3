"""Resamples that all figures of a task's split share, of any run, language or cell.

Tables, figures and the page use the same ones, so that a figure has the same interval everywhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.intervals import Bootstrap

DataSet = Hashable
"""Task and split, see `RunIdentity.data_set`."""


class Resamples:
    """The clusters of each data set, numbered in order of name, and their resamples."""

    def __init__(self, clusters: Iterable[tuple[DataSet, Iterable[str]]]) -> None:
        names: dict[DataSet, set[str]] = {}
        for data_set, some in clusters:
            names.setdefault(data_set, set()).update(some)
        self._codes: Mapping[DataSet, Mapping[str, int]] = {
            data_set: {name: code for code, name in enumerate(sorted(found))}
            for data_set, found in names.items()
        }
        self._bootstraps = {
            data_set: Bootstrap.of(len(codes)) for data_set, codes in self._codes.items() if codes
        }

    def bootstrap(self, data_set: DataSet) -> Bootstrap:
        """Return the resamples of a task and split."""
        return self._bootstraps[data_set]

    def codes(self, data_set: DataSet, clusters: Iterable[str]) -> npt.NDArray[np.int64]:
        """Return the number of each given cluster in the resamples."""
        codes = self._codes[data_set]
        return np.array([codes[name] for name in clusters], dtype=np.int64)
