"""The smallest detectable gain: by an independent simulation, and where none can be found."""

import numpy as np
import pytest
from scipy import stats

from xtransplant.analysis.power import minimum_detectable_gain, power


def simulated(n: int, gain: float, loss: float, trials: int = 20_000) -> float:
    """Return the power by drawing samples and testing each with scipy's binomial test."""
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, [gain + loss, loss, 1 - gain - 2 * loss], size=trials)
    pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    rejected = [a + b > 0 and stats.binomtest(a, a + b).pvalue <= 0.05 for a, b in pairs.tolist()]
    return float((counts * rejected).sum() / trials)


@pytest.mark.parametrize(
    ("n", "loss", "wanted"),
    [
        *((50, 0.02, 0.19), (50, 0.05, 0.23), (50, 0.1, 0.285)),
        *((200, 0.02, 0.07), (200, 0.05, 0.09), (200, 0.1, 0.115)),
        *((1000, 0.02, 0.025), (1000, 0.05, 0.035), (1000, 0.1, 0.045)),
    ],
)
def test_the_smallest_gain_has_the_power(n: int, loss: float, wanted: float) -> None:
    assert minimum_detectable_gain(n, loss) == pytest.approx(wanted)
    error = 3 * np.sqrt(0.8 * 0.2 / 20_000)
    assert simulated(n, wanted, loss) > 0.8 - error
    assert simulated(n, wanted - 0.005, loss) < 0.8 + error


@pytest.mark.parametrize(("gain", "loss"), [(0.0, 0.1), (0.1, 0.05), (0.3, 0.0)])
def test_power_beside_a_simulation(gain: float, loss: float) -> None:
    assert power(60, gain, loss) == pytest.approx(simulated(60, gain, loss), abs=0.01)


def test_five_instances_never_show_a_gain() -> None:
    # Even five gained and none lost have p = 2 / 2^5.
    assert minimum_detectable_gain(5, 0.0) is None
    assert minimum_detectable_gain(6, 0.0) is not None
