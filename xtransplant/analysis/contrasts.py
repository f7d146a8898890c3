"""Means of a study with their intervals, by language and averaged, and paired differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.equivalence import equivalence_p
from xtransplant.analysis.intervals import Floats, Intervals, Ints, bootstrap_intervals
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.shares import (
    agreeing,
    difference_intervals,
    independent_instances,
    share_intervals,
)
from xtransplant.analysis.significance import max_t_test, paired_test
from xtransplant.analysis.study import Study

MACRO, MICRO = "macro average", "micro average"
"""Labels of the mean of the languages' means, and of the mean of all instances."""
SHARE, DIFFERENCE = (0.0, 1.0), (-1.0, 1.0)
"""The smallest and largest value of an outcome, and of a difference of two outcomes."""

Contrast = tuple[Intervals, str, Floats]
"""A difference with its interval, the name of its test, and its p-value."""


@dataclass(frozen=True, eq=False)
class Scope:
    """A set of instances that is reported together: one language of a run, or all languages.

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
        """Return the mean of each column of the run's `values`, [I] or [I, V], as [V]."""
        columns = np.asarray(values, dtype=np.float64).reshape(len(self.rows), -1)
        if self.label != MACRO:
            return np.asarray(columns[self.rows].mean(0))
        language = self.outcomes.language
        means = [columns[self.rows & (language == one)].mean(0) for one in np.unique(language)]
        return np.asarray(np.mean(means, axis=0))

    def interval(self, values: npt.ArrayLike, bounds: tuple[float, float] = SHARE) -> Intervals:
        """Return the mean of each column of the run's `values` with its interval.

        Outcomes (all values 0 or 1) get the interval of `share_intervals`, other values one by
        bootstrap. For differences of outcomes use `difference_interval`.

        Args:
            values: values of the instances of the run, [I] or [I, V].
            bounds: smallest and largest possible value.
        """
        chosen = np.asarray(values, dtype=np.float64)[self.rows]
        if bounds == SHARE and np.isin(chosen, (0, 1)).all():
            return share_intervals(chosen, self._cluster, self._group)
        return bootstrap_intervals(chosen, self._cluster, self._group, bounds)

    def difference_interval(self, differences: npt.ArrayLike, p: Floats) -> Intervals:
        """Return the mean of each column of differences, with an interval that agrees with p.

        Differences of two outcomes (all values -1, 0 or 1) get the interval of
        `difference_intervals`, others one by bootstrap.

        Args:
            differences: differences of the instances of the run, [I] or [I, V].
            p: p-value of no difference that is reported with the interval, [V].
        """
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        if np.isin(chosen, (-1, 0, 1)).all():
            return difference_intervals(chosen, self._cluster, p, self._group)
        found = bootstrap_intervals(chosen, self._cluster, self._group, DIFFERENCE)
        return agreeing(found, p)

    def average_interval(self, averages: npt.ArrayLike) -> Intervals:
        """Return the mean of averages of outcomes, [I] from 0 to 1, with its interval.

        An average of several outcomes varies less than one outcome, so the interval of
        `share_intervals` is on the wide side.
        """
        chosen = np.asarray(averages, dtype=np.float64)[self.rows]
        return share_intervals(chosen, self._cluster, self._group)

    def average_difference(self, differences: npt.ArrayLike, p: Floats) -> Intervals:
        """Return the mean of averages of differences, [I], with an interval that agrees with p."""
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        return difference_intervals(chosen, self._cluster, p, self._group)

    def test(self, differences: npt.ArrayLike) -> tuple[str, Floats]:
        """Return the name of the test and the p-value of each column of differences, [I] or [I, V].

        McNemar's exact test needs independent instances of equal weight. In `MACRO`, the weight of
        an instance depends on its language, so a permutation test over clusters is used instead.
        """
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        return paired_test(chosen, self._cluster, self._weights)

    def best_of_grid(self, differences: npt.ArrayLike) -> Floats:
        """Return each column's one-sided p-value of a gain, corrected for all columns (max-T)."""
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        if self._weights is not None:
            chosen = chosen * self._weights[:, None]
        return max_t_test(chosen, self._cluster, "greater")

    def independent(self, differences: npt.ArrayLike) -> float:
        """Return how many independent instances would tell as much of a difference, [I]."""
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        return independent_instances(chosen, self._cluster, self._group)

    def equivalence(self, differences: npt.ArrayLike, margin: float) -> float:
        """Return the p-value of a difference, [I], of at least the margin, see `equivalence_p`."""
        chosen = np.asarray(differences, dtype=np.float64)[self.rows]
        return equivalence_p(chosen, self._cluster, margin, self._group)

    @cached_property
    def _cluster(self) -> Ints:
        """Index of each instance's cluster; clusters are sorted by name."""
        codes = self.outcomes.cluster_codes[self.rows]
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def _group(self) -> Ints | None:
        """Index of each instance's language in `MACRO`, where languages have equal weight."""
        if self.label != MACRO:
            return None
        names = self.outcomes.language[self.rows]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    @property
    def _weights(self) -> Floats | None:
        """Weight of each instance in `MACRO`."""
        group = self._group
        return None if group is None else 1 / np.bincount(group)[group]


def scopes(study: Study, outcomes: Outcomes) -> Iterator[Scope]:
    """Yield each language of a run, then both averages if there are several languages."""
    for language in outcomes.languages:
        yield Scope(study, outcomes, language, outcomes.language == language)
    if len(outcomes.languages) > 1:
        everything = np.ones(len(outcomes.language), dtype=bool)
        for label in (MACRO, MICRO):
            yield Scope(study, outcomes, label, everything)


def average(study: Study, outcomes: Outcomes) -> Scope:
    """Return the macro average over languages, or the only language."""
    label = MACRO if len(outcomes.languages) > 1 else outcomes.languages[0]
    return Scope(study, outcomes, label, np.ones(len(outcomes.language), dtype=bool))


def matched(experiment: Outcomes, control: Outcomes) -> tuple[Outcomes, Outcomes]:
    """Return both runs with the instances of their common languages, in the same order."""
    shared = np.isin(experiment.language, control.languages)
    chosen = experiment.rows_at(shared)
    return chosen, control.aligned_with(chosen)


def difference(scope: Scope, left: npt.ArrayLike, right: npt.ArrayLike) -> Contrast:
    """Return interval, test name and p-value of the difference of two arrays of outcomes, [I]."""
    differences = np.asarray(left, dtype=np.float64) - np.asarray(right, dtype=np.float64)
    test, p = scope.test(differences)
    return scope.difference_interval(differences, p), test, p
