"""What a difference can show: the smallest gain that is found, and whether it is near zero."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.contrasts import Contrast, Scope
from xtransplant.analysis.equivalence import equivalence_of_interval, standard_error
from xtransplant.analysis.intervals import LEVEL
from xtransplant.analysis.power import POWER, minimum_detectable_gain
from xtransplant.analysis.refitted_folds import REFITTED


def detectable_gain(scope: Scope, differences: npt.ArrayLike, contrast: Contrast) -> float | None:
    """Return the smallest gain that a test finds in 80 % of samples like this one.

    A sample like this one has as many clusters, which agree within as much, and loses as large a
    share. The share lost counts one loss more than there was, for none seen does not mean none.
    With folds, the standard error of the resamples tells.

    Args:
        scope: of the difference.
        differences: one outcome minus another, of the instances of the scope's run, [I].
        contrast: the difference, its test and its p-value.

    Returns:
        A gain, 0 to 1; None where the sample finds none that is possible.
    """
    found, test, _ = contrast
    if test == REFITTED:
        df = max(found.n_clusters - 1, 1)
        reach = stats.t.ppf(1 - (1 - LEVEL) / 2, df) + stats.t.ppf(POWER, df)
        gain = float(reach * standard_error(found))
        return gain if 0 < gain <= 1 else None
    lost = float(scope.mean(np.asarray(differences) < 0)[0])
    loss = (lost * scope.n + 1) / (scope.n + 2)
    return _smallest(max(1, int(scope.independent(differences))), round(loss, 3))


def equivalence(scope: Scope, differences: npt.ArrayLike, contrast: Contrast) -> float:
    """Return the p-value of a difference of at least the study's margin; arguments as above."""
    found, test, _ = contrast
    if test == REFITTED:
        return equivalence_of_interval(found, scope.study.margin)
    return scope.equivalence(differences, scope.study.margin)


@cache
def _smallest(n: int, loss: float) -> float | None:
    return minimum_detectable_gain(n, loss)
