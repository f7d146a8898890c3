"""T1 and T3 over random small studies, computed again with numpy and scipy alone."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import write_run
from scipy import stats

from xtransplant.analysis.study import load_study
from xtransplant.reporting.tables import all_tables

Study = dict[str, np.ndarray]
"""By language: verdicts on the baseline and the cells (0,0) (0,1) (1,0) (1,1), [I, 5]."""
BEST_FIRST = (3, 1, 4, 2)
"""Columns by target layer, then falling source layer: of equal cells the first is selected."""


def random_study(rng: np.random.Generator, sizes: dict[str, int]) -> Study:
    return {name: (rng.random((n, 5)) < [0.3, 0.5, 0.4, 0.6, 0.4]) for name, n in sizes.items()}


def written(root: Path, study: Study, clusters: list[str], **changes: object) -> None:
    lines = {
        name: ["".join("01"[int(v)] for v in row) for row in rows] for name, rows in study.items()
    }
    write_run(root, lines, clusters=clusters, **changes)


def korn_graubard(
    right: dict[str, np.ndarray], cluster: dict[str, np.ndarray]
) -> tuple[float, float, float]:
    """Return the mean of the languages' shares with its interval; one language is its share."""
    share = float(np.mean([each.mean() for each in right.values()]))
    deviations: dict[str, float] = {}
    for name, each in right.items():
        for value, passage in zip(each, cluster[name], strict=True):
            part = (value - each.mean()) / len(each) / len(right)
            deviations[passage] = deviations.get(passage, 0.0) + part
    c, n = len(deviations), sum(len(each) for each in right.values())
    variance = c / (c - 1) * sum(value**2 for value in deviations.values())
    size = float(c)
    if variance > 1e-15:
        ratio = stats.t.ppf(0.025, n - 1) / stats.t.ppf(0.025, c - 1)
        size = min(n, (1 + share * (1 - share) / variance) * ratio**2)
    a, b = share * size, (1 - share) * size
    low = stats.beta.ppf(0.025, a, b + 1) if a > 1e-9 else 0.0
    high = stats.beta.ppf(0.975, a + 1, b) if b > 1e-9 else 1.0
    return share, low, high


def p_value(differences: dict[str, np.ndarray], cluster: dict[str, np.ndarray]) -> float:
    """Return the share of all swaps of clusters with a total at least as far from zero."""
    sums: dict[str, float] = {}
    for name, each in differences.items():
        for value, passage in zip(each, cluster[name], strict=True):
            sums[passage] = sums.get(passage, 0.0) + value / len(each)
    found = np.array([value for value in sums.values() if abs(value) > 1e-12])
    totals = np.array([0.0])
    for value in found:
        totals = np.concatenate([totals + value, totals - value])
    return float((np.abs(totals) >= abs(found.sum()) - 1e-9).mean())


def compare(row: pd.Series, right: dict, baseline: dict, cluster: dict, p: float) -> None:
    for name, values in (("accuracy", right), ("baseline", baseline)):
        wanted = korn_graubard(values, cluster)
        assert [row[name], row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(wanted)
    gain = np.mean([right[name].mean() - baseline[name].mean() for name in right])
    assert row["difference"] == pytest.approx(gain, abs=1e-12)
    wanted_p = p_value({k: right[k].astype(float) - baseline[k] for k in right}, cluster)
    assert p == pytest.approx(wanted_p, abs=1e-9)
    assert (row["difference_low"] <= 0 <= row["difference_high"]) == (wanted_p > 0.05)


@pytest.mark.parametrize(
    ("seed", "per_cluster", "sizes"),
    [
        (seed, per_cluster, sizes)
        for (per_cluster, sizes), seed in product(
            [(1, {"fr": 14, "sw": 14}), (3, {"fr": 18, "sw": 18}), (2, {"fr": 16, "sw": 11})],
            range(2),
        )
    ],
)
def test_two_implementations_agree(
    tmp_path: Path, seed: int, per_cluster: int, sizes: dict[str, int]
) -> None:
    rng = np.random.default_rng(seed)
    dev, test = random_study(rng, sizes), random_study(rng, sizes)
    names = [f"p{number // per_cluster}" for number in range(max(sizes.values()))]
    others = [f"r{number // per_cluster}" for number in range(max(sizes.values()))]
    written(tmp_path, dev, names)
    written(tmp_path, test, others, split="test", first=100)
    frames = {table.name[:2]: table.frame for table in all_tables(load_study([tmp_path]))}
    tests = frames["T4"].set_index(["split", "language", "contrast"]).p
    cluster = {name: np.array(others[:n]) for name, n in sizes.items()}
    groups = {**{name: [name] for name in sizes}, "macro average": list(sizes)}
    for label, languages in groups.items():
        baseline = {name: test[name][:, 0] for name in languages}
        inside = {name: cluster[name] for name in languages}
        t1 = frames["T1"].set_index(["split", "language"]).loc["test", label]
        right = {name: test[name][:, 1] for name in languages}
        compare(t1, right, baseline, inside, tests["test", label, "0→0 - baseline"])
        best = {
            name: max(BEST_FIRST, key=lambda k, name=name: round(dev[name][:, k].mean(), 12))
            for name in languages
        }
        t3 = frames["T3"]
        chosen = (t3.strategy == "overall") & (t3.chosen == "per language")
        t3 = t3[chosen & (t3.protocol == "dev to test")].set_index("language").loc[label]
        right = {name: test[name][:, best[name]] for name in languages}
        contrast = "overall (per language, dev to test) - baseline"
        compare(t3, right, baseline, inside, tests["test", label, contrast])
