"""The exclusion of instances that were used to select a pair from those that judge it.

Splits may overlap whatever their names: "all" contains the instances of "sample", and two splits
can share passages or questions. So instances are compared, not names of splits.
"""

from __future__ import annotations

import numpy as np

from xtransplant.analysis.contrasts import Scope
from xtransplant.analysis.outcomes import Bools, Outcomes

LEAST_LEFT = 10
"""Minimum number of instances of a language that must be left to judge, if some were dropped."""
MET_BY = ("instance", "content", "cluster")
"""Fields of `Outcomes`; two instances overlap if they agree in one of them. Ids may contain the
name of the split, so prompt and gold answer are compared too."""


def unmet(selecting: Outcomes, judging: Outcomes, *, pooled: bool) -> Bools:
    """Return a mask of the judging instances that do not overlap with selecting ones, [I].

    Args:
        selecting: instances on which pairs were selected, of the same task.
        judging: run that judges.
        pooled: whether one pair was selected on all languages; otherwise the pair of a language was
            selected only on the instances of this language.
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
    """Return the reason why too few instances are left to judge a pair; "" if they suffice.

    Args:
        scope: judging instances, before any is dropped.
        free: mask of the instances of the scope's run that are left, [I].
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
