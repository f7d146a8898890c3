"""Figures of a study with their intervals, by language and averaged, and differences of two.

It knows how instances, clusters and averages go together, not which table or figure asks.
"""

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
"""Of the languages' figures; of all instances together."""
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
"""The values that an outcome, and a difference of two, can have."""


@dataclass(frozen=True, eq=False)
class Scope:
    """Instances whose figure is reported: a language, or an average over several.

    Attributes:
        study: what they belong to.
        outcomes: their run.
        label: the language, `MACRO` or `MICRO`.
        rows: which instances of the run.
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
        """Return the test that fits and the p-value of each column of differences, [I] or [I, V].

        McNemar's exact test holds where instances are independent and count alike, so never for
        `MACRO`, whose languages weigh their instances; all else is tested by permutation of
        clusters.
        """
        weighted = self._weighted(differences)
        if self.label == MACRO:
            return "sign_flip", sign_flip_test(weighted, self._cluster, best_of_all=False)
        return paired_test(weighted, self._cluster)

    def best_of_grid(self, differences: npt.ArrayLike) -> Floats:
        """Return the max-T p-value of each column: of a gain, corrected for all columns."""
        return sign_flip_test(self._weighted(differences), self._cluster, "greater")

    @property
    def _cluster(self) -> npt.NDArray[np.int64]:
        return self.study.clusters(self.outcomes)[self.rows]

    def _weighted(self, differences: npt.ArrayLike) -> Floats:
        """Return differences whose sum is the figure's: languages count alike in `MACRO`."""
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        if self.label != MACRO:
            return chosen
        _, language, sizes = np.unique(
            self.outcomes.language[self.rows], return_inverse=True, return_counts=True
        )
        weights = 1 / sizes[language]
        return np.asarray(chosen * weights.reshape(-1, *[1] * (chosen.ndim - 1)))


def scopes(study: Study, outcomes: Outcomes) -> Iterator[Scope]:
    """Yield each language of a run, then the averages where there are several."""
    for language in outcomes.languages:
        yield Scope(study, outcomes, language, outcomes.language == language)
    if len(outcomes.languages) > 1:
        everything = np.ones(len(outcomes.language), dtype=bool)
        for label in (MACRO, MICRO):
            yield Scope(study, outcomes, label, everything)


def matched(experiment: Outcomes, control: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Return both with the instances of the languages that both have, in the same order."""
    shared = np.isin(experiment.language, control.languages)
    chosen = experiment.rows_at(shared)
    return chosen, control.aligned_with(chosen)


def difference(
    scope: Scope, left: npt.ArrayLike, right: npt.ArrayLike
) -> tuple[Intervals, str, Floats]:
    """Return left less right, both [I] of right or wrong: interval, test and p-value."""
    differences = np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)
    test, p = scope.test(differences)
    return scope.interval(differences, DIFFERENCE), test, p
