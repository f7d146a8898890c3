"""The paper's own claims (arXiv 2412.12686) as contrasts of runs.

Each claim is a function from a study to its contrasts, and a line in `CLAIMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy import stats

from xtransplant.analysis.claimed_runs import (
    ATTENTION,
    FEED_FORWARD,
    by_direction,
    by_module,
    gains_by_kind,
    paired,
)
from xtransplant.analysis.contrasts import average, difference
from xtransplant.analysis.interactions import Contrast, Gains, difference_of_gains, p_of_interval
from xtransplant.analysis.intervals import LEVEL, Floats, Intervals
from xtransplant.analysis.language_table import distance, language
from xtransplant.analysis.measures import Measured, measured
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.rank_correlation import LEAST_POINTS, spearman
from xtransplant.analysis.shares import difference_of_means
from xtransplant.analysis.study import Study
from xtransplant.analysis.unit_samples import LEAST_UNITS, over_units

INSTANCES, LANGUAGES = "instances", "languages"
LOW, HIGH = (0, 1, 2), (4, 5)
"""Resource classes (Joshi et al. 2020) that count as low and as high; 3 is neither."""


@dataclass(frozen=True, eq=False)
class Claimed:
    """One contrast.

    Attributes:
        claim: what it is about.
        measure: which accuracy is compared.
        compared: the two sides.
        left, right: runs of the two sides.
        sample: what the interval takes as a sample: `INSTANCES` or `LANGUAGES`.
        n_languages: number of languages.
        found: the difference, or Spearman's correlation, with its test; None where it is not known.
        is_rank: whether `found` is a correlation.
        remark: why nothing was found.
    """

    claim: str
    measure: str
    compared: str
    left: Sequence[Outcomes]
    right: Sequence[Outcomes]
    sample: str
    n_languages: int
    found: Contrast | None
    is_rank: bool = False
    remark: str = ""


def of_modules(study: Study) -> Iterator[Claimed]:
    """Attention less feed-forward on the same instances."""
    for modules in by_module(study):
        for name in ATTENTION:
            if name in modules and FEED_FORWARD in modules:
                left, right = paired(modules[name], modules[FEED_FORWARD])
                yield from _of_pair(study, f"{name} - {FEED_FORWARD}", left, right)


def _of_pair(study: Study, compared: str, left: Measured, right: Measured) -> Iterator[Claimed]:
    one = left.outcomes
    over_instances = Claimed(
        claim="attention against feed-forward",
        measure=left.measure,
        compared=compared,
        left=[one],
        right=[right.outcomes],
        sample=INSTANCES,
        n_languages=len(one.languages),
        found=difference(average(study, one), left.right, right.right),
    )
    yield over_instances
    found, remark = _over_languages(one, left.right.astype(np.float64) - right.right)
    yield replace(over_instances, sample=LANGUAGES, found=found, remark=remark)


def _over_languages(one: Outcomes, values: Floats) -> tuple[Contrast | None, str]:
    if len(one.languages) < LEAST_UNITS:
        return None, "needs two languages"
    own = [one.language == name for name in one.languages]
    found = over_units([Gains(values[rows], one.cluster[rows], one.language[rows]) for rows in own])
    return (found.by_t, "t", np.array([found.p])), ""


def of_kinds(study: Study) -> Iterator[Claimed]:
    """Attention less feed-forward in one kind of task, less the same in another kind."""
    for module, measure, kinds in gains_by_kind(study):
        for one, other in combinations(kinds, 2):
            (runs, left), (others, right) = kinds[one], kinds[other]
            yield Claimed(
                claim="module by kind of task",
                measure=measure,
                compared=f"({module} - {FEED_FORWARD}): {one} - {other}",
                left=runs,
                right=others,
                sample=INSTANCES,
                n_languages=len({name for run in (*runs, *others) for name in run.languages}),
                found=difference_of_gains(left, right),
            )


def of_resources(study: Study) -> Iterator[Claimed]:
    """Low- less high-resource languages."""
    for one, found in _measures(study):
        classes = {
            name: about.resource_class for name in one.languages if (about := language(name))
        }
        low, high = (
            [name for name, number in classes.items() if number in wanted] for wanted in (LOW, HIGH)
        )
        if not (low and high):
            continue
        left, right = (found.rows_at(np.isin(one.language, names)) for names in (low, high))
        over_instances = Claimed(
            claim="low- against high-resource languages",
            measure=found.measure,
            compared="class 0-2 - class 4-5",
            left=[one],
            right=[one],
            sample=INSTANCES,
            n_languages=len(low) + len(high),
            found=difference_of_gains(Gains.of(left), Gains.of(right)),
        )
        yield over_instances
        welch, remark = _welch(left, right)
        yield replace(over_instances, sample=LANGUAGES, found=welch, remark=remark)


def _welch(left: Measured, right: Measured) -> tuple[Contrast | None, str]:
    of_left, of_right = (list(_by_language(each).values()) for each in (left, right))
    if min(len(of_left), len(of_right)) < LEAST_UNITS or np.ptp(of_left) + np.ptp(of_right) == 0:
        return None, "needs two languages of each, with unlike gains"
    tested = stats.ttest_ind(of_left, of_right, equal_var=False)
    ends = tested.confidence_interval(LEVEL)
    estimate = float(np.mean(of_left) - np.mean(of_right))
    found = _interval(estimate, float(ends.low), float(ends.high), left, right)
    return (found, "welch", np.array([float(tested.pvalue)])), ""


def of_distance(study: Study) -> Iterator[Claimed]:
    """The gain of a language and its distance to the pivot, which is the other language."""
    for one, found in _measures(study):
        if len(one.languages) < LEAST_UNITS:
            continue
        pivot = one.identity.pivot or one.identity.task_pivot
        far = {name: distance(pivot, name) for name in one.languages}
        known = {name: value for name, value in far.items() if value is not None}
        gains = _by_language(found)
        xs = np.array(list(known.values()))
        ys = np.array([gains[name] for name in known])
        remark = ""
        if len(known) < LEAST_POINTS:
            remark = f"needs {LEAST_POINTS} languages of known distance"
        elif not (np.ptp(xs) and np.ptp(ys)):
            remark = "all gains or distances are equal"
        ranked = None if remark else spearman(xs, ys)
        yield Claimed(
            claim="gain by distance of the two languages",
            measure=found.measure,
            compared="Spearman's rank correlation",
            left=[one],
            right=[one],
            sample=LANGUAGES,
            n_languages=len(known),
            found=(ranked[0], "permutation", ranked[1]) if ranked else None,
            is_rank=True,
            remark=remark,
        )


def of_depth(study: Study) -> Iterator[Claimed]:
    """The gain of fixed cells by the depth of their layers: last less first by a straight line."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        layers = np.array([(cell.source_layer, cell.target_layer) for cell in one.cells])
        depth = layers / max((one.n_layers or int(layers.max()) + 1) - 1, 1)
        source, target = depth.T
        for name, xs in {
            "source depth": source,
            "target depth": target,
            "target less source depth": target - source,
        }.items():
            found = _slope(one, xs) if np.ptp(xs) else None
            yield Claimed(
                claim="trend over depth",
                measure="fixed cells",
                compared=f"{name}, from first to last layer",
                left=[one],
                right=[one],
                sample=INSTANCES,
                n_languages=len(one.languages),
                found=found,
                remark="" if found else "all cells are at one depth, or no answer changes with it",
            )


def _slope(one: Outcomes, xs: Floats) -> Contrast | None:
    """Return the slope of the gain over depths, tested over clusters; the baseline drops out."""
    centred = xs - xs.mean()
    values = one.correct @ (centred / (centred**2).sum())
    group = np.unique(one.language, return_inverse=True)[1].astype(np.int64)
    slope, error, n_clusters = difference_of_means(values, one.cluster_codes, group)
    if n_clusters < LEAST_UNITS or not error:
        return None
    reach = float(stats.t.ppf(1 - (1 - LEVEL) / 2, n_clusters - 1)) * error
    ends = np.array([slope - reach]), np.array([slope + reach])
    found = Intervals(np.array([slope]), *ends, len(values), n_clusters)
    return found, "t", p_of_interval(found, n_clusters - 1)


def of_directions(study: Study) -> Iterator[Claimed]:
    """A task's usual direction less the other one, on the same questions."""
    for usual, other in by_direction(study):
        left, right = paired(usual, other)
        names = (each.outcomes.identity.direction for each in (left, right))
        yield Claimed(
            claim="direction of the transplant",
            measure=left.measure,
            compared=" - ".join(str(name) for name in names),
            left=[left.outcomes],
            right=[right.outcomes],
            sample=INSTANCES,
            n_languages=len(left.outcomes.languages),
            found=difference_of_gains(Gains.of(left), Gains.of(right)),
        )


CLAIMS: tuple[Callable[[Study], Iterator[Claimed]], ...] = (
    *(of_modules, of_kinds, of_resources, of_distance, of_depth, of_directions),
)


def _measures(study: Study) -> Iterator[tuple[Outcomes, Measured]]:
    for one in study.experiments:
        for found in measured(study, one):
            yield found.outcomes, found


def _by_language(found: Measured) -> dict[str, float]:
    gain, language_of = found.gain, found.outcomes.language
    return {name: float(gain[language_of == name].mean()) for name in found.outcomes.languages}


def _interval(
    estimate: float, low: float, high: float, left: Measured, right: Measured
) -> Intervals:
    clusters = np.union1d(left.outcomes.cluster, right.outcomes.cluster)
    n = len(left.right) + len(right.right)
    return Intervals(np.array([estimate]), np.array([low]), np.array([high]), n, len(clusters))
