"""Claims, languages as a sample and groups, computed again with numpy and scipy alone."""

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_second_implementation import korn_graubard, p_value, random_study, written

from xtransplant.analysis.study import load_study
from xtransplant.reporting.tables import all_tables


def frames(root: Path) -> dict[str, pd.DataFrame]:
    return {table.name: table.frame for table in all_tables(load_study([root]))}


@pytest.mark.parametrize(("seed", "per_cluster"), [(0, 1), (1, 3), (2, 2)])
def test_a_second_implementation_agrees(tmp_path: Path, seed: int, per_cluster: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = {"fr": 16, "de": 16, "sw": 12, "zh": 16, "ta": 16, "hi": 9}
    clusters = [f"p{number // per_cluster}" for number in range(16)]
    of_mlp, of_attn = random_study(rng, sizes), random_study(rng, sizes)
    for name in sizes:
        of_attn[name][:, 0] = of_mlp[name][:, 0]
    written(tmp_path, of_mlp, clusters)
    written(tmp_path, of_attn, clusters, module="attn")
    found = frames(tmp_path)
    cluster = {name: np.array(clusters[:n]) for name, n in sizes.items()}
    right = {name: of_mlp[name][:, 1:].any(1) for name in sizes}
    theirs = {name: of_attn[name][:, 1:].any(1) for name in sizes}
    gain = {name: right[name].astype(float) - of_mlp[name][:, 0] for name in sizes}

    claims = found["claims"].set_index(["claim", "measure", "sample", "module"])
    row = claims.loc[("attention against feed-forward", "upper bound", "instances", "attn - mlp")]
    apart = {name: theirs[name].astype(float) - right[name] for name in sizes}
    assert row["difference"] == pytest.approx(np.mean([one.mean() for one in apart.values()]))
    assert row["p"] == pytest.approx(p_value(apart, cluster), abs=2e-3)

    means = {name: one.mean() for name, one in gain.items()}
    row = claims.loc[("low- against high-resource languages", "upper bound", "languages", "mlp")]
    # Classes: sw 2; fr, de, zh 5 and hi 4; ta is 3 and neither.
    assert row["remark"].startswith("needs two languages of each")
    row = claims.loc[("gain by distance of the two languages", "upper bound", "languages", "mlp")]
    table = Path(__file__).parents[2] / "xtransplant/assets/languages/distances.csv"
    distances = pd.read_csv(table).set_index(["language", "other"])["distance"]
    xs = [distances[tuple(sorted(("en", name)))] for name in sizes]
    ys = list(means.values())
    rho = stats.spearmanr(xs, ys).statistic
    orders = [stats.spearmanr(xs, order).statistic for order in permutations(ys)]
    tail = min(np.mean(np.array(orders) >= rho - 1e-9), np.mean(np.array(orders) <= rho + 1e-9))
    assert (row["rho"], row["p"]) == pytest.approx((rho, min(1.0, 2 * tail)))

    units = found["languages_and_models"].set_index(["measure", "over", "module"])
    row = units.loc[("upper bound", "languages", "mlp")]
    values = np.array(ys)
    names = sorted(set(clusters))
    added = np.array(
        [
            [((gain[k] - means[k]) * (cluster[k] == c)).sum() / sizes[k] for c in names]
            for k in sizes
        ]
    )
    covariance = added @ added.T * len(names) / (len(names) - 1)
    shared = max(0.0, (covariance.sum() - np.trace(covariance)) / 30)
    t5, t_clusters = stats.t.ppf(0.975, 5), stats.t.ppf(0.975, len(names) - 1)
    reach = math.hypot(t5 * values.std(ddof=1) / math.sqrt(6), t_clusters * math.sqrt(shared))
    assert row["by_t"] == pytest.approx(values.mean())
    assert row["by_t_high"] == pytest.approx(min(1, values.mean() + reach))
    assert row["random_effects_low"] <= row["random_effects"] <= row["random_effects_high"]

    groups = found["groups"].set_index(["measure", "module", "by", "group"])
    row = groups.loc[("upper bound", "mlp", "resource class", "5")]
    inside = ("fr", "de", "zh")
    wanted = korn_graubard(
        {name: right[name] for name in inside}, {name: cluster[name] for name in inside}
    )
    assert [row["accuracy"], row["accuracy_low"], row["accuracy_high"]] == pytest.approx(wanted)
