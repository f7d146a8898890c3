"""Instances that selected a pair never judge it: which ones are dropped, and when too few are left.

Splits may overlap whatever they are called: "all" holds the instances of "sample", and passages or
questions can come in both of two splits. So instances are compared, not names of splits.
"""

from __future__ import annotations

import numpy as np

from xtransplant.analysis.contrasts import Scope
from xtransplant.analysis.outcomes import Bools, Outcomes

LEAST_LEFT = 10
"""Instances that a language must have left to be judged, where some were dropped."""
MET_BY = ("instance", "content", "cluster")
"""Fields of `Outcomes`; two instances overlap if they agree in one of them. Ids may hold the name
of their split, so prompt and gold answer are compared too."""


def unmet(selecting: Outcomes, judging: Outcomes, *, pooled: bool) -> Bools:
    """Return which instances of the judging run overlap with none that selected their pair, [I].

    Args:
        selecting: the instances that selected, of the same task.
        judging: the run that judges.
        pooled: whether one pair was selected on all languages. Otherwise a pair was selected on the
            instances of its own language alone.
    """
    if pooled:
        return ~_met(selecting, judging)
    free = np.ones(len(judging.instance), dtype=bool)
    for language in judging.languages:
        own = judging.language == language
        free[own] = ~_met(selecting.only(language), judging.rows_at(own))
    return free


def _met(selecting: Outcomes, judging: Outcomes) -> Bools:
    met = [np.isin(getattr(judging, name), getattr(selecting, name)) for name in MET_BY]
    return np.asarray(np.any(met, axis=0))


def refusal(scope: Scope, free: Bools) -> str:
    """Return why the instances that are left cannot judge a pair, "" if they can.

    Args:
        scope: judging instances, before any is dropped.
        free: which instances of the scope's run are left, [I].
    """
    language = scope.outcomes.language
    for name in dict.fromkeys(language[scope.rows].tolist()):
        own = scope.rows & (language == name)
        n, n_left = int(own.sum()), int((own & free).sum())
        if n_left < min(n, LEAST_LEFT):
            return (
                f"{n - n_left} of {n} instances ({name}) overlap with those that selected the "
                f"pair; {LEAST_LEFT} must be left"
            )
    return ""
