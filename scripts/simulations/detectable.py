"""How often the test finds a gain as large as the smallest one that a table says it finds.

Prints a table for docs/statistics.md. In brackets: the smallest gain of as many independent
instances, and how often that one is found.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from clustered import COLUMNS, Floats, Ints, clusters, differences
from made_up import made_up_run

from xtransplant.analysis.contrasts import Scope, average, difference
from xtransplant.analysis.power import minimum_detectable_gain
from xtransplant.analysis.sensitivity import detectable_gain
from xtransplant.analysis.study import Study

SEED = 25
DESIGNS = (
    *((50, "single", 0.0, 1), (200, "single", 0.0, 1), (50, "single", 0.0, 3)),
    *((50, "1 to 10", 0.3, 1), (200, "1 to 10", 0.3, 1), (100, "1 to 10", 0.3, 3)),
)
"""Clusters, size, correlation and languages. A cluster has instances of every language, and the
second and third language have a half and a quarter of the first one's clusters."""
LOST = (0.02, 0.1)
PILOTS = 50
"""Samples without a gain that say what the smallest gain is; their median counts."""


def samples(
    n: int, kind: str, icc: float, n_languages: int, shares: tuple[float, float], seed: int
) -> Iterator[tuple[Scope, Floats]]:
    """Yield samples that gain and lose some shares: the macro average, and what is gained, [I]."""
    rng = np.random.default_rng([SEED, seed])
    while True:
        cluster = clusters(rng, n, kind)
        rows = [np.flatnonzero(cluster < n // 2**number) for number in range(n_languages)]
        chosen = np.concatenate(rows)
        names = np.repeat(
            [f"l{number}" for number in range(n_languages)], [len(one) for one in rows]
        )
        drawn = _drawn(rng, cluster[chosen], names, shares, icc)
        baseline = np.zeros(len(chosen), dtype=bool)
        run = made_up_run(baseline, baseline[:, None])
        run = replace(run, language=names, cluster=cluster[chosen].astype(str))
        scope = average(Study([run]), run)
        yield from ((scope, column) for column in drawn.T)


def _drawn(
    rng: np.random.Generator, cluster: Ints, names: Ints, shares: tuple[float, float], icc: float
) -> Floats:
    """Draw each language apart, so that a cluster agrees within a language."""
    drawn = np.zeros((len(cluster), COLUMNS))
    for name in np.unique(names):
        own = names == name
        drawn[own] = differences(rng, cluster[own], *shares, icc)
    return drawn


def found(
    n: int, kind: str, icc: float, n_languages: int, lost: float, trials: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the smallest gain and how often it is found: of the report, and as if independent."""
    design = (n, kind, icc, n_languages)
    smallest, independent = [], []
    for scope, column in islice(samples(*design, (lost, lost), 0), PILOTS):
        own = detectable_gain(scope, column, difference(scope, column, np.zeros(len(column))))
        smallest.append(1.0 if own is None else own)
        independent.append(minimum_detectable_gain(len(column), lost) or 1.0)
    gains = float(np.median(smallest)), float(np.median(independent))
    report, naive = ((gain, _power(design, gain, lost, trials)) for gain in gains)
    return report, naive


def _power(design: tuple[int, str, float, int], gain: float, lost: float, trials: int) -> float:
    drawn = samples(*design, (gain + lost, lost), 1)
    p = [scope.test(column)[1][0] for scope, column in islice(drawn, trials)]
    return float(np.mean(np.array(p) <= 0.05))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    trials = parser.parse_args().trials
    print("| clusters | size | correlation | languages | lost | smallest gain | found |")
    print("|--:|:--|--:|--:|--:|--:|--:|")
    for n, kind, icc, n_languages in DESIGNS:
        for lost in LOST:
            report, naive = found(n, kind, icc, n_languages, lost, trials)
            shown = [
                f"{100 * now:.1f} ({100 * was:.1f})" for now, was in zip(report, naive, strict=True)
            ]
            print(f"| {n} | {kind} | {icc} | {n_languages} | {lost} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
