"""A small study worked out by hand, from parquet to selected pairs.

Verdicts on the baseline and on the cells (0,0) (0,1) (1,0) (1,1) of a model of two layers:

         fr                     sw
    q0   1  1 1 1 0             0  0 1 0 0
    q1   0  0 0 1 0             0  1 1 0 0
    q2   0  1 0 1 0             0  0 0 0 0
    q3   1  1 0 0 1             1  1 1 0 0
    q4   0  0 0 0 -             0  0 0 0 1
    q5   0  0 1 1 1             0  0 1 0 0
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import write_run
from scipy import stats

from xtransplant.analysis.contrasts import MACRO, MICRO, scopes
from xtransplant.analysis.selection import folds, held_out, select
from xtransplant.analysis.study import Study, load_study
from xtransplant.errors import ConfigError, OutputError
from xtransplant.reporting.tables import Table, all_tables
from xtransplant.types import Cell

VERDICTS = {
    "fr": ["11110", "00010", "01010", "11001", "0000-", "00111"],
    "sw": ["00100", "01100", "00000", "11100", "00001", "00100"],
}
CONTROL = {
    "fr": ["11110", "00000", "01000", "11001", "00000", "00000"],
    "sw": ["00000", "00000", "00000", "11100", "00001", "00000"],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    write_run(root, VERDICTS)
    write_run(root, CONTROL, control="noise")
    return load_study([root])


@pytest.fixture(scope="module")
def tables(study: Study) -> list[Table]:
    return list(all_tables(study))


def table(tables: list[Table], name: str, language: str, **equal: str) -> dict[str, object]:
    (frame,) = [one.frame for one in tables if one.name.startswith(name)]
    found = frame[frame.language == language]
    for key, value in equal.items():
        found = found[found[key].str.startswith(value)]
    (record,) = found.to_dict("records")
    return record


def test_outcomes_are_the_verdicts(study: Study) -> None:
    (one,) = study.experiments
    assert one.cells == (Cell(0, 0), Cell(0, 1), Cell(1, 0), Cell(1, 1))
    wanted = [[v == "1" for v in line] for lines in VERDICTS.values() for line in lines]
    assert np.column_stack([one.baseline, one.correct]).tolist() == wanted
    assert one.n_unparsable.tolist() == [0, 0, 0, 0, 1] + [0] * 7
    # Answers of the cells are "0" and "1", so an instance has one or two distinct ones.
    assert one.n_distinct.tolist() == [2, 2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2]
    (control,) = study.controls(one)
    assert control.identity.control == "noise"


@pytest.mark.parametrize(
    ("language", "baseline", "first", "gained", "p"),
    [("fr", 2 / 6, 3 / 6, 1, 1.0), ("sw", 1 / 6, 2 / 6, 1, 1.0), (MACRO, 3 / 12, 5 / 12, 2, None)],
)
def test_t1_coarse(tables, language, baseline, first, gained, p) -> None:
    record = table(tables, "T1", language)
    assert record["cell"] == "0→0"
    assert record["baseline"] == pytest.approx(baseline)
    assert record["accuracy"] == pytest.approx(first)
    assert record["difference"] == pytest.approx(gained / (12 if language == MACRO else 6))
    assert record["difference_low"] <= record["difference"] <= record["difference_high"]
    assert record["n"] == (12 if language == MACRO else 6)
    contrast = table(tables, "T4", language, contrast="0→0")
    if p is not None:
        assert (contrast["test"], contrast["p"]) == ("mcnemar", p)
    else:
        # Over both languages q0 and q3 differ by nothing, q1 by 1 of sw and q2 by 1 of fr: two
        # clusters with one sign, so half of the four swaps reach the total.
        assert (contrast["test"], contrast["p"]) == ("sign_flip", pytest.approx(1 / 2))


def exact(right: int, n: int = 6) -> tuple[float, float]:
    """Return Clopper and Pearson's interval by scipy."""
    found = stats.binomtest(right, n).proportion_ci(method="exact")
    return found.low, found.high


@pytest.mark.parametrize(("language", "baseline", "first"), [("fr", 2, 3), ("sw", 1, 2)])
def test_t1_intervals_of_one_language(tables, language, baseline, first) -> None:
    record = table(tables, "T1", language)
    for name, right in (("baseline", baseline), ("accuracy", first)):
        assert (record[f"{name}_low"], record[f"{name}_high"]) == pytest.approx(exact(right))
    # One gained, none lost: the two intervals are joined as Zou and Donner join them, by hand. With
    # none lost, gained and lost are not correlated.
    low, high = exact(1)
    low_end = 1 / 6 - np.hypot(1 / 6 - low, exact(0)[1])
    assert record["difference_low"] == pytest.approx(low_end)
    assert record["difference_high"] == pytest.approx(high)


def test_six_instances_find_no_gain(tables) -> None:
    # Six gained and none lost is the only outcome with p <= 0.05. One lost in eight is expected, so
    # at most (1 - 1/8)^6 of the samples are like that, 45 %.
    for language in ("fr", "sw"):
        assert np.isnan(table(tables, "T1", language)["detectable"])


def test_t1_interval_of_the_macro_average(tables) -> None:
    record = table(tables, "T1", MACRO)
    # Right with (0,0), by question: fr 1 0 1 1 0 0, sw 0 1 0 1 0 0; shares 1/2 and 1/3. Six
    # clusters of two, so the share is 5/12 and a cluster adds the deviations of its two / 12.
    residuals = np.array([1 - 5 / 6, 1 - 5 / 6, 1 - 5 / 6, 2 - 5 / 6, -5 / 6, -5 / 6]) / 12
    variance = 6 / 5 * (residuals**2).sum()
    ratio = stats.t.ppf(0.025, 11) / stats.t.ppf(0.025, 5)
    size = min(12, (1 + 5 / 12 * 7 / 12 / variance) * ratio**2)
    right, wrong = size * 5 / 12, size * 7 / 12
    low, high = stats.beta.ppf(0.025, right, wrong + 1), stats.beta.ppf(0.975, right + 1, wrong)
    assert (record["accuracy_low"], record["accuracy_high"]) == pytest.approx((low, high))


@pytest.mark.parametrize("name", ["T1", "T2", "T3", "T4"])
def test_no_interval_contradicts_its_test(tables: list[Table], name: str) -> None:
    (frame,) = [one.frame for one in tables if one.name.startswith(name)]
    contrasts = frame if "p" in frame else None
    for row in [] if contrasts is None else contrasts.to_dict("records"):
        holds_zero = row["difference_low"] <= 0 <= row["difference_high"]
        assert holds_zero == (row["p"] > 0.05), row["contrast"]
    for column in [one.removesuffix("_low") for one in frame if one.endswith("_low")]:
        assert (frame[f"{column}_low"] <= frame[column]).all(), column
        assert (frame[column] <= frame[f"{column}_high"]).all(), column


@pytest.mark.parametrize(
    ("language", "bound", "value", "control", "layers"),
    [
        ("fr", "upper bound", 5 / 6, 3 / 6, ("", "")),
        ("fr", "source-fixed", 5 / 6, 3 / 6, (" 1", " 0")),
        ("fr", "target-fixed", 5 / 6, 3 / 6, (" 0", " 0")),
        ("sw", "upper bound", 5 / 6, 2 / 6, ("", "")),
        ("sw", "source-fixed", 4 / 6, 1 / 6, (" 0", " 0")),
        ("sw", "target-fixed", 5 / 6, 2 / 6, (" 1", " 1")),
        (MACRO, "upper bound", 10 / 12, 5 / 12, ("", "")),
        (MICRO, "source-fixed", 8 / 12, 4 / 12, (" 0", " 0")),
        (MACRO, "target-fixed", 8 / 12, 4 / 12, (" 1", " 0")),
    ],
)
def test_t2_upper_bounds(tables, language, bound, value, control, layers) -> None:
    record = table(tables, "T2", language, bound=bound)
    assert record["bound"] == f"{bound}{layers[0]}"
    assert record["control"] == f"noise{layers[1]}"
    assert record["accuracy"] == pytest.approx(value)
    assert record["control_accuracy"] == pytest.approx(control)
    assert record["difference"] == pytest.approx(value - control)
    assert record["cells"] == 4


def test_t2_has_the_cells_beside_the_bounds(tables: list[Table]) -> None:
    record = table(tables, "T2", "fr", bound="upper bound")
    # The cells have 3, 2, 4 and 2 of 6 right, those of the control 3, 1, 1 and 1.
    names = ("best_cell", "mean_cell", "median_cell", "control_mean_cell")
    wanted = [4 / 6, 11 / 24, 2.5 / 6, 6 / 24]
    assert [record[name] for name in names] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("strategy", "cells", "accuracies"),
    [
        ("overall", {"fr": Cell(1, 0), "sw": Cell(0, 1)}, [4 / 6, 4 / 6]),
        ("target_first", {"fr": Cell(1, 0), "sw": Cell(0, 0)}, [4 / 6, 2 / 6]),
        ("source_last", {"fr": Cell(1, 0), "sw": Cell(1, 1)}, [4 / 6, 1 / 6]),
    ],
)
def test_selected_by_language(study, strategy, cells, accuracies) -> None:
    found = select(study.experiments[0], strategy, pooled=False)
    assert {one.language: one.cell for one in found} == cells
    assert [one.accuracy for one in found] == pytest.approx(accuracies)
    assert [one.baseline_accuracy for one in found] == pytest.approx([2 / 6, 1 / 6])


@pytest.mark.parametrize(
    ("strategy", "cell", "accuracy"),
    [
        ("overall", Cell(0, 1), 6 / 12),
        ("target_first", Cell(0, 0), 5 / 12),
        ("source_last", Cell(1, 0), 4 / 12),
    ],
)
def test_selected_for_all(study, strategy, cell, accuracy) -> None:
    (found,) = select(study.experiments[0], strategy, pooled=True)
    assert (found.language, found.cell, found.n) == ("all", cell, 12)
    assert found.accuracy == pytest.approx(accuracy)


def test_ties_take_the_smallest_target_then_the_largest_source(tmp_path: Path) -> None:
    write_run(tmp_path, {"fr": ["00101", "00101"]})  # (0,1) and (1,1) tie
    write_run(tmp_path, {"fr": ["01111", "00000"]}, module="attn")  # all tie
    found = {
        one.identity.module: select(one, "overall", pooled=False)[0].cell
        for one in load_study([tmp_path]).experiments
    }
    assert found == {"mlp": Cell(1, 1), "attn": Cell(1, 0)}


def test_best_cell_pays_for_the_grid(tables: list[Table]) -> None:
    record = table(tables, "T4", "sw", contrast="best cell")
    assert record["contrast"] == "best cell 0→1 (optimistic) - baseline"
    assert (record["difference"], record["test"]) == (pytest.approx(3 / 6), "max_t")
    # q0, q1, q5 gain with (0,1): it reaches its statistic where their three signs are kept (1 in
    # 8); no other column of the grid can exceed it.
    assert record["p"] == pytest.approx(1 / 8, abs=0.02)


def test_mcnemar_of_the_selected_pair_by_hand(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    test_split = {
        "fr": ["010", "010", "010", "011", "101"],
        "sw": ["001", "000", "110", "001", "001"],
    }
    write_run(
        tmp_path, test_split, [Cell(1, 0), Cell(0, 1)], split="test", grid_name="pairs", first=6
    )
    tables = list(all_tables(load_study([tmp_path])))
    keep = {"strategy": "overall", "chosen": "per", "protocol": "dev to test"}
    fr, sw = (table(tables, "T3", language, **keep) for language in ("fr", "sw"))
    assert (fr["cell"], sw["cell"]) == ("1→0", "0→1")
    assert (fr["accuracy"], fr["baseline"], fr["in_sample"]) == pytest.approx((4 / 5, 1 / 5, 4 / 6))
    assert (sw["accuracy"], sw["baseline"], sw["in_sample"]) == pytest.approx((3 / 5, 1 / 5, 4 / 6))
    macro = table(tables, "T3", MACRO, **keep)
    assert macro["accuracy"] == pytest.approx(7 / 10)
    name = "overall (per language, dev to test)"
    # fr gains q0 to q3 and loses q4, 2 (1 + 5) / 2^5; sw gains three, loses one, 2 (1 + 4) / 2^4.
    assert table(tables, "T4", "fr", contrast=name)["p"] == pytest.approx(12 / 32)
    assert table(tables, "T4", "sw", contrast=name)["p"] == pytest.approx(10 / 16)


def test_folds_are_of_clusters_and_the_same_in_every_language() -> None:
    clusters = np.array([f"passage {k}" for k in range(23) for _ in range(3)])
    found = folds(clusters, 5)
    assert np.bincount(found).tolist() == [15, 15, 15, 12, 12]
    assert all(len(set(found[3 * k : 3 * k + 3])) == 1 for k in range(23))
    order = np.random.default_rng(1).permutation(len(clusters))
    assert folds(clusters[order], 5).tolist() == found[order].tolist()


def test_held_out_never_sees_what_it_judges(tmp_path: Path) -> None:
    # Each instance is right with its own cell alone: any cell chosen elsewhere is wrong on it.
    write_run(tmp_path, {"fr": ["01000", "00100", "00010", "00001"]})
    (one,) = load_study([tmp_path]).experiments
    found = held_out(one, "overall", n_folds=4)
    assert not found.correct.any() and len(found.cells) == 4
    assert select(one, "overall", pooled=False)[0].accuracy == 1 / 4


def test_a_strategy_without_cells_is_one_line(tmp_path: Path) -> None:
    write_run(tmp_path, {"fr": ["011", "000"]}, [Cell(0, 1), Cell(1, 1)])
    (one,) = load_study([tmp_path]).experiments
    with pytest.raises(OutputError, match="no cell with target layer 0, which strategy"):
        select(one, "target_first", pooled=False)
    with pytest.raises(ConfigError, match=r"unknown strategy 'overal'; .* nearest match: overall"):
        select(one, "overal", pooled=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "test", "scorer": "exact_match-2"}, 'scorer differs, "exact_match-1" and'),
        ({"module": "attn", "gold": "h"}, "data differs, instance q0 (fr)"),
        ({"module": "attn", "source": "Ask"}, "instance q0 (fr) has another source prompt"),
        ({"module": "attn", "task_revision": "v2"}, 'task.revision differs, "v2" and null'),
        ({"split": "test", "task_sample_seed": 1}, "task.sample_seed differs, 0 and 1"),
        ({"module": "attn", "prompt_style": "chat"}, 'prompt.style differs, "chat" and "plain"'),
        (
            {"module": "attn", "model_dtype": "bfloat16"},
            'model.dtype differs, "bfloat16" and "float32"',
        ),
        ({"module": "attn", "decode_max_new_tokens": 5}, "decode.max_new_tokens differs, 5 and 20"),
        ({"seed": 1}, "are the same run"),
    ],
)
def test_runs_that_do_not_belong_together(tmp_path: Path, changes, message) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, VERDICTS, **changes)
    with pytest.raises(OutputError) as raised:
        load_study([tmp_path])
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_control_has_source_prompts_of_its_own(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, CONTROL, control="random_instance", source="Another")
    (one,) = load_study([tmp_path]).experiments
    assert len(load_study([tmp_path]).controls(one)) == 1


def test_a_macro_average_is_tested_with_the_weights_of_its_languages(tmp_path: Path) -> None:
    # Other questions in each language: fr gains all four, sw loses its only one.
    write_run(tmp_path, {"fr": ["01"] * 4, "sw": ["10"]}, [Cell(0, 0)])
    (one,) = load_study([tmp_path]).experiments
    own = replace(one, cluster=np.char.add(one.language, one.instance))
    gains = own.correct[:, 0].astype(float) - own.baseline
    tests = {}
    for scope in scopes(Study([own]), own):
        test, p = scope.test(gains)
        tests[scope.label] = (float(scope.mean(gains)[0]), test, float(p[0]))
    # The languages' gains, 1 and -1, cancel, and no swap is nearer to nothing.
    assert tests[MACRO] == (0, "sign_flip", 1)
    # Of all instances four gain and one loses: 2 (1 + 5) / 2^5.
    assert tests[MICRO] == (pytest.approx(3 / 5), "mcnemar", pytest.approx(12 / 32))


def test_a_control_needs_the_instances_of_its_experiment(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, {"fr": CONTROL["fr"][:4]}, control="noise", limit=4)
    with pytest.raises(OutputError, match=r"instances differ in fr \(limit None and 4\)"):
        load_study([tmp_path])
