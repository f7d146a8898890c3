"""Contrasts of gains, languages as a sample, seeds and ranks: coverage and level with known truth.

Prints tables for docs/statistics.md. The figure in brackets is that of a naive method: the interval
that takes languages or seeds as given, independent questions where clusters share them, or Fisher's
interval with a normal quantile for a rank correlation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np
from made_up import made_up_run
from scipy import stats

from xtransplant.analysis.contrasts import difference, scopes
from xtransplant.analysis.interactions import Gains, difference_of_gains
from xtransplant.analysis.intervals import Intervals
from xtransplant.analysis.rank_correlation import spearman
from xtransplant.analysis.replicates import averaged_difference
from xtransplant.analysis.study import Study
from xtransplant.analysis.unit_samples import over_units

SEED = 23
Pair = tuple[bool, bool]
"""Whether the report's interval, and the naive one, hold the truth."""


def holds(found: Intervals, truth: float) -> bool:
    return bool(found.low[0] <= truth + 1e-12 and truth - 1e-12 <= found.high[0])


def gains(rng: np.random.Generator, cluster: np.ndarray, mean: float, shared: float) -> np.ndarray:
    """Return gains of -1, 0 and 1 with a mean; a share of the questions decides for all of them."""
    own = rng.random(len(cluster))
    common = rng.random(int(cluster.max()) + 1)[cluster]
    u = np.where(rng.random(int(cluster.max()) + 1)[cluster] < shared, common, own)
    lost = max(0.1 - mean / 2, 0.0)
    return np.where(u < lost + mean, 1.0, np.where(u > 1 - lost, -1.0, 0.0))


def of_languages(rng: np.random.Generator, n_languages: int, n: int, between: float) -> list[Gains]:
    """Return gains of languages on the same questions; their true means are 0.2 and a deviation."""
    question = np.tile(np.arange(n), n_languages)
    language = np.repeat([f"l{number}" for number in range(n_languages)], n)
    mean = np.repeat(np.clip(rng.normal(0.2, between, n_languages), -0.2, 0.6), n)
    common = rng.random(n)[question]
    u = np.where(rng.random(n)[question] < 0.5, common, rng.random(len(question)))
    lost = np.maximum(0.2 - mean / 2, 0)
    values = np.where(u < lost + mean, 1.0, np.where(u > 1 - lost, -1.0, 0.0))
    names = np.array([f"q{number}" for number in question])
    return [
        Gains(values[language == one], names[language == one], language[language == one])
        for one in np.unique(language)
    ]


def languages(rng: np.random.Generator, n_languages: int, n: int, between: float) -> list[Pair]:
    """Return coverage by t over languages, and by random effects, beside languages as given."""
    units = of_languages(rng, n_languages, n, between)
    found = over_units(units)
    pooled = Gains.side_by_side({str(number): unit for number, unit in enumerate(units)})
    given = holds(pooled.interval(), 0.2)
    return [(holds(found.by_t, 0.2), given), (holds(found.random_effects, 0.2), given)]


def interaction(rng: np.random.Generator, n: int, shared: float, mean: float) -> list[Pair]:
    """Return coverage of the difference of two groups of two languages on the same questions.

    The naive method takes all instances as independent.
    """
    question = np.tile(np.arange(n), 4)
    values = gains(rng, question, mean, shared)
    values[: 2 * n] = gains(rng, question[: 2 * n], mean, shared)
    group = np.repeat(list("abcd"), n)
    names = np.array([f"q{number}" for number in question])
    first = np.arange(4 * n) < 2 * n
    sides = [Gains(values[rows], names[rows], group[rows]) for rows in (first, ~first)]
    naive = stats.ttest_ind(values[first], values[~first], equal_var=False)
    return [(holds(difference_of_gains(*sides)[0], 0.0), bool(naive.pvalue > 0.05))]


def seeds(rng: np.random.Generator, n_seeds: int, n: int, spread: float) -> list[Pair]:
    """Return coverage of the gain over an average of seeds, beside that with seeds as given."""
    baseline = np.zeros(n, dtype=bool)
    left = rng.random(n) < 0.5
    chance = np.clip(rng.normal(0.4, spread, n_seeds), 0, 1)
    right = (rng.random((n, n_seeds)) < chance).astype(float)
    run = made_up_run(baseline, left[:, None])
    (scope,) = scopes(Study([run]), run)
    given = difference(scope, left, right.mean(1))[0]
    return [(holds(averaged_difference(scope, left, right)[0], 0.1), holds(given, 0.1))]


def ranks(rng: np.random.Generator, n: int, rho: float) -> list[Pair]:
    """Return coverage of Spearman's correlation of normal variables with correlation `rho`."""
    xs = rng.normal(size=n)
    ys = rho * xs + np.sqrt(1 - rho**2) * rng.normal(size=n)
    truth = 6 / np.pi * np.arcsin(rho / 2)
    found = spearman(xs, ys)[0]
    z = np.arctanh(np.clip(float(found.estimate[0]), -0.9999, 0.9999))
    ends = np.tanh(z + np.array([-1.96, 1.96]) / np.sqrt(n - 3))
    return [(holds(found, truth), bool(ends[0] <= truth <= ends[1]))]


def coverage(draw: Callable[..., list[Pair]], trials: int, *arguments: float) -> np.ndarray:
    """Return coverage of the report's interval and of the naive one, a row for each figure."""
    # Whole numbers of the arguments, so that each setting has draws of its own.
    rng = np.random.default_rng([SEED, *(int(1000 * each) for each in arguments)])
    return np.mean([draw(rng, *arguments) for _ in range(trials)], axis=0)


def shown(pair: np.ndarray) -> str:
    return f"{100 * pair[0]:.1f} ({100 * pair[1]:.1f})"


TABLES: dict[str, tuple[Callable[..., list[Pair]], str, list[tuple[float, ...]]]] = {
    "languages": (
        languages,
        "languages | questions | between | t over languages | random effects",
        [
            (*size, between)
            for size in ((3, 50), (5, 50), (5, 200), (12, 50), (12, 200))
            for between in (0.0, 0.05, 0.15)
        ],
    ),
    "groups": (
        interaction,
        "questions | shared | mean gain | difference of two groups of languages",
        list(product((30, 50, 200), (0.0, 0.5), (0.02, 0.2))),
    ),
    "seeds": (
        seeds,
        "seeds | instances | spread | gain over the average of seeds",
        list(product((2, 4, 8), (50, 200), (0.0, 0.03, 0.1))),
    ),
    "ranks": (
        ranks,
        "languages | correlation | Spearman",
        list(product((5, 8, 12, 20), (0.0, 0.5, 0.8))),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=list(TABLES))
    given = parser.parse_args()
    for name in given.tables:
        draw, heading, settings = TABLES[name]
        print(f"\n| {heading} |\n" + "|--:" * (heading.count("|") + 1) + "|")
        for setting in settings:
            found = coverage(draw, given.trials, *setting)
            figures = [*map(str, setting), *map(shown, found)]
            print(f"| {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
