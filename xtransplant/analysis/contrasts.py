"""Figures of a study with their intervals, by language and averaged, and paired differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.intervals import Floats, Intervals
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.significance import paired_test, sign_flip_test
from xtransplant.analysis.study import Study

MACRO, MICRO = "macro average", "micro average"
"""The mean of the languages' figures, and the figure of all instances together."""
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
"""The smallest and largest value of an outcome, and of a difference of two outcomes."""


@dataclass(frozen=True, eq=False)
class Scope:
    """Instances of a run that have a figure of their own: a language, or all languages.

    Attributes:
        study: study of the run.
        outcomes: outcomes of the run.
        label: name of the language, `MACRO` or `MICRO`.
        rows: mask of the instances, [I].
    """

    study: Study
    outcomes: Outcomes
    label: str
    rows: Bools

    @property
    def n(self) -> int:
        """Return the number of instances."""
        return int(self.rows.sum())

    def mean(self, values: npt.ArrayLike) -> Floats:
        """Return the figure of each column of the run's `values`, [I] or [I, V], as [V]."""
        columns = np.asarray(values, dtype=np.float64).reshape(len(self.rows), -1)
        if self.label != MACRO:
            return np.asarray(columns[self.rows].mean(0))
        language = self.outcomes.language
        means = [columns[self.rows & (language == one)].mean(0) for one in np.unique(language)]
        return np.asarray(np.mean(means, axis=0))

    def interval(self, values: npt.ArrayLike, bounds: tuple[float, float] = SHARE) -> Intervals:
        """Return the mean of each column of the run's `values`, [I] or [I, V]."""
        chosen = np.asarray(values, dtype=np.float64)[self.rows]
        languages = np.unique(self.outcomes.language[self.rows], return_inverse=True)[1]
        group = languages.astype(np.int64) if self.label == MACRO else None
        return self.study.bootstrap(self.outcomes).intervals(chosen, self._cluster, group, bounds)

    def test(self, differences: npt.ArrayLike) -> tuple[str, Floats]:
        """Return the name of the test and the p-value of each column of differences, [I] or [I, V].

        McNemar's exact test needs independent instances of equal weight. In `MACRO` the weight of
        an instance depends on its language, so clusters are permuted instead.
        """
        weighted = self._weighted(differences)
        if self.label == MACRO:
            return "sign_flip", sign_flip_test(weighted, self._cluster, best_of_all=False)
        return paired_test(weighted, self._cluster)

    def best_of_grid(self, differences: npt.ArrayLike) -> Floats:
        """Return the one-sided max-T p-value of each column's gain, corrected for all columns."""
        return sign_flip_test(self._weighted(differences), self._cluster, "greater")

    @property
    def _cluster(self) -> npt.NDArray[np.int64]:
        return self.study.clusters(self.outcomes)[self.rows]

    def _weighted(self, differences: npt.ArrayLike) -> Floats:
        """Return differences weighted so that all languages count alike in `MACRO`."""
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        if self.label != MACRO:
            return chosen
        _, language, sizes = np.unique(
            self.outcomes.language[self.rows], return_inverse=True, return_counts=True
        )
        weights = 1 / sizes[language]
        return np.asarray(chosen * weights.reshape(-1, *[1] * (chosen.ndim - 1)))


def scopes(study: Study, outcomes: Outcomes) -> Iterator[Scope]:
    """Yield each language of a run, then both averages if there are several languages."""
    for language in outcomes.languages:
        yield Scope(study, outcomes, language, outcomes.language == language)
    if len(outcomes.languages) > 1:
        everything = np.ones(len(outcomes.language), dtype=bool)
        for label in (MACRO, MICRO):
            yield Scope(study, outcomes, label, everything)


def matched(experiment: Outcomes, control: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Return both runs with the instances of their common languages, in the same order."""
    shared = np.isin(experiment.language, control.languages)
    chosen = experiment.rows_at(shared)
    return chosen, control.aligned_with(chosen)


def difference(
    scope: Scope, left: npt.ArrayLike, right: npt.ArrayLike
) -> tuple[Intervals, str, Floats]:
    """Return the interval of left minus right (outcomes, [I]), the test's name and the p-value."""
    differences = np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)
    test, p = scope.test(differences)
    return scope.interval(differences, DIFFERENCE), test, p
