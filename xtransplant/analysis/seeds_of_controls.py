"""The controls of a scope, each with the instances of the experiment and all its seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.contrasts import Scope
from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.outcomes import Outcomes


def controls_of(scope: Scope) -> Iterator[tuple[Outcomes, Scope, list[Outcomes]]]:
    """Yield each control that has all languages of an experiment's scope.

    With it come the scope of its instances, which are the experiment's in the same order, and its
    seeds, each with these instances.
    """
    own = scope.outcomes.rows_at(scope.rows)
    languages = set(own.languages)
    for control in scope.study.controls(scope.outcomes):
        if not languages <= set(control.languages):
            continue
        runs = [
            run.aligned_with(own)
            for run in scope.study.replicates(control)
            if languages <= set(run.languages)
        ]
        everything = np.ones(len(own.language), dtype=bool)
        yield control, Scope(scope.study, runs[0], scope.label, everything), runs


def seeds(runs: Sequence[Outcomes], values: Callable[[Outcomes], npt.ArrayLike]) -> Floats:
    """Return values of the instances, [I], of each seed, as [I, S]."""
    return np.stack([np.asarray(values(run), dtype=np.float64) for run in runs], axis=1)
