"""T0, T1 and T3 over random small studies, computed again with numpy and scipy alone."""

from bisect import bisect_left
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import write_run
from scipy import optimize, stats

from xtransplant.analysis.study import load_study
from xtransplant.reporting.t0_primary import T0
from xtransplant.reporting.table import StudyRows
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


Outcomes = dict[str, np.ndarray]
"""Verdicts or differences by language."""


def deviations(values: Outcomes, cluster: Outcomes) -> np.ndarray:
    """Return what each cluster adds to the deviation of the mean of the languages' means, [C]."""
    found = dict.fromkeys(np.concatenate(list(cluster.values())).tolist(), 0.0)
    for name, each in values.items():
        for value, passage in zip(each, cluster[name], strict=True):
            found[passage] += (value - each.mean()) / len(each) / len(values)
    return np.array(list(found.values()))


def effective(of_one: float, values: Outcomes, cluster: Outcomes) -> float:
    """Return how many independent instances would vary as much."""
    parts = deviations(values, cluster)
    c, n = len(parts), sum(len(each) for each in values.values())
    variance = c / (c - 1) * (parts**2).sum()
    if variance <= 1e-15:
        return float(c)
    ratio = stats.t.ppf(0.025, n - 1) / stats.t.ppf(0.025, c - 1)
    return min(n, (1 + of_one / variance) * ratio**2)


def mean(values: Outcomes) -> float:
    return float(np.mean([each.mean() for each in values.values()]))


def clopper_pearson(share: float, size: float, tail: float) -> tuple[float, float]:
    a, b = share * size, (1 - share) * size
    low = stats.beta.ppf(tail, a, b + 1) if a > 1e-9 else 0.0
    high = stats.beta.ppf(1 - tail, a + 1, b) if b > 1e-9 else 1.0
    return low, high


def korn_graubard(right: Outcomes, cluster: Outcomes) -> tuple[float, float, float]:
    """Return the mean of the languages' shares with its interval; one language is its share."""
    share = mean(right)
    return share, *clopper_pearson(share, effective(share * (1 - share), right, cluster), 0.025)


def joined(differences: Outcomes, cluster: Outcomes, tail: float) -> tuple[float, float]:
    """Return the ends of the interval of a difference, joined from those of gains and losses."""
    shares, parts, ends = [], [], []
    for sign in (1, -1):
        found = {name: (each == sign).astype(float) for name, each in differences.items()}
        share = mean(found)
        size = effective(share * (1 - share), found, cluster)
        shares.append(share)
        parts.append(deviations(found, cluster))
        ends.append(clopper_pearson(share, size, tail))
    variances = [(part**2).sum() for part in parts]
    if min(variances) > 1e-15:
        correlation = (parts[0] * parts[1]).sum() / np.sqrt(variances[0] * variances[1])
    else:
        odds = [share / (1 - share) if share < 1 else 0.0 for share in shares]
        correlation = -np.sqrt(odds[0] * odds[1])
    up = (ends[0][1] - shares[0], shares[1] - ends[1][0])
    down = (shares[0] - ends[0][0], ends[1][1] - shares[1])
    reach = [np.sqrt(a**2 + b**2 - 2 * correlation * a * b) for a, b in (down, up)]
    gain = shares[0] - shares[1]
    return max(-1, gain - reach[0]), min(1, gain + reach[1])


def equivalence(differences: Outcomes, cluster: Outcomes, margin: float) -> float:
    """Return the share left out at which the interval just fits into the margin."""

    def beyond(left_out: float) -> float:
        low, high = joined(differences, cluster, left_out / 2)
        return max(high, -low) - margin

    return 1.0 if beyond(1.0) >= 0 else float(optimize.brentq(beyond, 1e-9, 1.0))


def smallest_gain(differences: Outcomes, cluster: Outcomes) -> float:
    """Return the smallest gain with a power of 80 %, by all counts of gained and lost, or NaN."""
    squares = mean({name: each**2 for name, each in differences.items()})
    n = int(effective(squares - mean(differences) ** 2, differences, cluster))
    n_instances = sum(len(each) for each in differences.values())
    lost = mean({name: each < 0 for name, each in differences.items()})
    loss = round((lost * n_instances + 1) / (n_instances + 2), 3)
    counts = [(k, d - k) for d in range(1, n + 1) for k in range(d + 1)]
    found = [(a, b) for a, b in counts if stats.binomtest(a, a + b).pvalue <= 0.05]
    draws = [[a, b, n - a - b] for a, b in found]

    def is_found(step: int) -> bool:
        shares = [step * 0.005 + loss, loss]
        chances = stats.multinomial.pmf(draws, n, [*shares, 1 - sum(shares)])
        return bool(chances.sum() >= 0.8)

    steps = range(1, int((1 - 2 * loss) / 0.005 + 1e-9) + 1)
    first = bisect_left(steps, True, key=is_found) if draws else len(steps)
    return steps[first] * 0.005 if first < len(steps) else float("nan")


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
        gains = {name: right[name].astype(float) - baseline[name] for name in languages}
        assert t1.detectable == pytest.approx(smallest_gain(gains, inside), nan_ok=True)
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


def verdicts_of(study: Study, best: dict[str, list[int]]) -> dict[str, Outcomes]:
    """Return what T0 compares of a run: selected pair, any cell, vote, all by language."""
    selected = {name: rows[:, best[name][0]] for name, rows in study.items()}
    bound = {name: rows[:, 1:].any(1) for name, rows in study.items()}
    # Answers are the verdicts, so the vote is right if more cells are, or as many and the best is.
    votes = {
        name: rows[:, 1:].sum(1) * 2 + (selected[name] * 2 - 1) for name, rows in study.items()
    }
    return {"pair": selected, "bound": bound, "vote": {name: v > 4 for name, v in votes.items()}}


@pytest.mark.parametrize(
    ("per_cluster", "sizes"),
    [(1, {"fr": 14, "sw": 14}), (3, {"fr": 18, "sw": 18}), (2, {"fr": 16, "sw": 11})],
)
def test_the_primary_family_twice(tmp_path: Path, per_cluster: int, sizes: dict[str, int]) -> None:
    rng = np.random.default_rng([7, per_cluster])
    margin = 0.3
    names = ("dev", "none", "mean", "random_instance", "samples")
    drawn = {name: random_study(rng, sizes) for name in names}
    for name in names[2:]:  # the baseline is that of the untouched model
        for language, rows in drawn[name].items():
            rows[:, 0] = drawn["none"][language][:, 0]
    passages = [f"r{number // per_cluster}" for number in range(max(sizes.values()))]
    written(tmp_path, drawn["dev"], [f"p{passage}" for passage in passages])
    for name in names[1:]:
        module = "untouched" if name == "samples" else "mlp"
        written(
            *(tmp_path, drawn[name], passages),
            **{"split": "test", "first": 100, "control": name, "module": module},
        )
    frame = T0.table(StudyRows(load_study([tmp_path], margin))).frame
    best = {
        name: sorted(BEST_FIRST, key=lambda k, rows=rows: -round(rows[:, k].mean(), 12))
        for name, rows in drawn["dev"].items()
    }
    found = {name: verdicts_of(drawn[name], best) for name in names[1:]}
    baseline = {name: rows[:, 0] for name, rows in drawn["none"].items()}
    own = found["none"]
    sides = {
        "a": (own["pair"], baseline),
        "b": (own["pair"], found["mean"]["pair"]),
        "c": (own["pair"], found["random_instance"]["pair"]),
        "d": (own["bound"], found["samples"]["bound"]),
        "e": (own["vote"], baseline),
    }
    cluster = {name: np.array(passages[:n]) for name, n in sizes.items()}
    rows = frame.set_index("letter")
    p = {}
    for letter, (left, right) in sides.items():
        row = rows.loc[letter]
        gains = {name: left[name].astype(float) - right[name] for name in sizes}
        for column, values in (("accuracy", left), ("compared", right)):
            ends = [row[column], row[f"{column}_low"], row[f"{column}_high"]]
            assert ends == pytest.approx(korn_graubard(values, cluster)), letter
        assert row.difference == pytest.approx(mean(gains), abs=1e-12)
        p[letter] = p_value(gains, cluster)
        assert row.p == pytest.approx(p[letter], abs=1e-9), letter
        assert row.detectable == pytest.approx(smallest_gain(gains, cluster), nan_ok=True), letter
        wanted = equivalence(gains, cluster, margin)
        assert row.p_equivalent == pytest.approx(wanted, abs=1e-4), letter
    p["f"] = 1.0
    ordered = sorted(p, key=lambda letter: p[letter])
    largest = 0.0
    for rank, letter in enumerate(ordered):
        largest = max(largest, min(1.0, p[letter] * (6 - rank)))
        if letter != "f":
            assert rows.loc[letter].p_holm == pytest.approx(largest, abs=1e-9), letter
