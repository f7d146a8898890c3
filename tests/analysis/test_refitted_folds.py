"""Folds with the selection made anew: against the verdicts of folds, by hand and by simulation."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import write_run
from scipy import stats

from xtransplant.analysis.contrasts import MACRO, MICRO
from xtransplant.analysis.judged_by_folds import judged_by_folds
from xtransplant.analysis.refitted_folds import OfLanguage, refitted
from xtransplant.analysis.study import Study, load_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two languages of unequal size, clusters of two, many ties."""
    rng = np.random.default_rng(3)
    lines = {
        name: ["".join(rng.choice(["0", "1"], 5)) for _ in range(n)]
        for name, n in (("fr", 31), ("sw", 22))
    }
    root = tmp_path_factory.mktemp("folds")
    write_run(root, lines, clusters=[f"p{k // 2}" for k in range(31)])
    return load_study([root])


def test_without_resampling_it_is_the_verdict_of_the_folds(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One resample that draws each cluster once is the sample itself.
    seen = {}
    monkeypatch.setattr(
        "xtransplant.analysis.judged_by_folds.resample_weights", lambda n, _: np.ones((1, n))
    )

    def kept(*args, **kwargs):
        found = refitted(*args, **kwargs)
        seen[kwargs["pooled"]] = found
        return found

    monkeypatch.setattr("xtransplant.analysis.judged_by_folds.refitted", kept)
    (one,) = study.experiments
    judged = list(judged_by_folds(study, one))
    assert len(judged) == 3 * 2 * 4
    for pair in judged:
        found = seen[pair.chosen == "pooled"][pair.strategy]
        accuracy, gain = float(pair.accuracy.estimate[0]), float(pair.gain[0].estimate[0])
        whole = {
            "fr": (found.accuracy[:, 0], found.gain[:, 0]),
            "sw": (found.accuracy[:, 1], found.gain[:, 1]),
            MACRO: (found.accuracy.mean(1), found.gain.mean(1)),
            MICRO: (found.micro_accuracy, found.micro_gain),
        }[pair.scope.label]
        assert [float(each[0]) for each in whole] == pytest.approx([accuracy, gain]), pair


def test_the_cell_is_selected_anew_in_each_resample() -> None:
    # Two clusters, two folds: each judges the cell that is best on the other. Clusters 0 and 1 are
    # right with cells 0 and 1. Drawn twice, cluster 0 has copies in its own fold alone, so nothing
    # selects, and the first cell is taken.
    right = np.array([[True, False], [False, True]])
    one = OfLanguage.of(right, np.zeros(2, bool), np.arange(2), np.arange(2))
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    found = refitted([one], {"overall": [0, 1]}, weights, pooled=False)["overall"]
    assert found.right[:, 0].tolist() == [0, 2, 0]
    assert found.size[:, 0].tolist() == [2, 2, 2]


def test_interval_and_p_value_of_folds_agree(study: Study) -> None:
    (one,) = study.experiments
    for pair in judged_by_folds(study, one):
        found, test, p = pair.gain
        assert test == "refitted_folds"
        assert found.low[0] <= found.estimate[0] <= found.high[0]
        assert (found.low[0] <= 0 <= found.high[0]) == (p[0] > 0.05)


def test_a_cell_that_always_helps_is_found(tmp_path: Path) -> None:
    # 30 of 40 gained with (0,0), none lost, other cells never right: no resample selects another.
    write_run(tmp_path, {"fr": ["01000"] * 30 + ["00000"] * 10})
    study = load_study([tmp_path])
    (pair,) = judged_by_folds(study, study.experiments[0], [("overall", False)])
    found, _, p = pair.gain
    # Only the gained vary, so refitting adds nothing: the interval is that of the golden study's
    # hand calculation, of 30 gained and 0 lost of 40.
    gained, lost = (stats.binomtest(k, 40).proportion_ci(method="exact") for k in (30, 0))
    assert found.estimate[0] == 0.75
    assert found.low[0] == pytest.approx(0.75 - np.hypot(0.75 - gained.low, lost.high))
    assert found.high[0] == pytest.approx(max(gained.high, 0.75 + refit_reach(0.75, 40)), abs=0.01)
    assert p[0] == pytest.approx(2 / 2**30)


def refit_reach(share: float, n: int) -> float:
    """Return half the t interval of a share of n instances."""
    return float(stats.t.ppf(0.975, n - 1) * np.sqrt(share * (1 - share) / n))
