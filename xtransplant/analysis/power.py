"""The power of the paired test, and the smallest gain that it detects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from xtransplant.analysis.intervals import LEVEL, Floats
from xtransplant.analysis.significance import mcnemar

POWER = 0.8
STEP = 0.005
"""Step between the gains that are tried: half a percentage point."""


def power(n: int, gain: float, loss: float) -> float:
    """Return the power of McNemar's exact test with independent instances.

    Args:
        n: number of instances.
        gain: share of instances gained minus the share lost.
        loss: share of instances lost.
    """
    if not gain + 2 * loss:
        return 0.0
    discordant = np.arange(n + 1)
    chance = stats.binom.pmf(discordant, n, gain + 2 * loss)
    # The test rejects if lost or gained instances are at most `most`; it is symmetric in both.
    most = _most_lost(discordant)
    share_lost = loss / (gain + 2 * loss)
    found = stats.binom.cdf(most, discordant, share_lost)
    found += stats.binom.cdf(most, discordant, 1 - share_lost)
    return float((chance * found).sum())


def _most_lost(discordant: npt.NDArray[np.int64]) -> Floats:
    """Return the largest value of min(gained, lost) at which the test rejects; -1 if none."""
    most = stats.binom.ppf((1 - LEVEL) / 2, discordant, 0.5)
    rejected = mcnemar(discordant - most, most) <= 1 - LEVEL
    return np.asarray(np.where(rejected, most, most - 1))


def minimum_detectable_gain(n: int, loss: float) -> float | None:
    """Return the smallest gain that `n` instances detect with a power of 80 %.

    Args:
        n: number of independent instances.
        loss: expected share of instances lost, 0 to 1.

    Returns:
        Gain, 0 to 1, in steps of half a percentage point; None if no possible gain is detected.
    """
    most = int((1 - 2 * loss) / STEP + 1e-9)  # no more than all instances can be gained or lost
    steps = np.round(np.arange(1, most + 1) * STEP, 3)
    low, high = 0, len(steps)
    while low < high:  # the power grows with the gain
        middle = (low + high) // 2
        if power(n, float(steps[middle]), loss) >= POWER:
            high = middle
        else:
            low = middle + 1
    return float(steps[low]) if low < len(steps) else None
