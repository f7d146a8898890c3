"""Instances that selected a pair never judge it, whatever their splits are called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import write_run

from xtransplant.analysis.contrasts import MACRO
from xtransplant.analysis.overlap import unmet
from xtransplant.analysis.study import load_study
from xtransplant.reporting.t3_selected_pairs import T3
from xtransplant.reporting.table import StudyRows

NUMBERS = ["accuracy", "accuracy_low", "accuracy_high", "difference", "test", "p", "in_sample"]
SELECTING, OTHER = "01000", "00001"
"""An instance that makes a grid select (0,0), and one that is right with (1,1) alone."""


def t3(root: Path, chosen: str = "per language") -> pd.DataFrame:
    """Return the rows of T3 that are judged by another run, with strategy `overall`."""
    frame = pd.DataFrame(T3.rows(StudyRows(load_study([root]))))
    kept = frame.protocol.str.contains(" to ") & (frame.strategy == "overall")
    return frame[kept & (frame.chosen == chosen)]


def row(frame: pd.DataFrame, protocol: str, language: str = "fr") -> dict[str, object]:
    (found,) = frame[(frame.protocol == protocol) & (frame.language == language)].to_dict("records")
    return found


@pytest.mark.parametrize("splits", [["sample", "unseen", "all"], ["all", "sample", "unseen"]])
def test_splits_that_overlap_judge_what_is_left(tmp_path: Path, splits: list[str]) -> None:
    # Of 25 instances the first 12 are the sample. 10 of the other 13 are right with (0,0).
    sample, rest = [SELECTING] * 12, [SELECTING] * 10 + [OTHER] * 3
    write_run(tmp_path, {"fr": sample}, split="sample", task_splits=splits)
    write_run(tmp_path, {"fr": sample + rest}, split="all", task_splits=splits)
    frame = t3(tmp_path)
    assert set(frame.protocol) == {"all to sample", "sample to all"}
    judged = row(frame, "sample to all")
    assert (judged["n"], judged["dropped"], judged["refused"]) == (13, 12, "")
    assert judged["accuracy"] == pytest.approx(10 / 13)
    assert judged["in_sample"] == 1
    # 10 gained, none lost.
    assert judged["p"] == pytest.approx(2 / 2**10)
    refused = row(frame, "all to sample")
    assert (refused["n"], refused["dropped"]) == (0, 12)
    assert refused["refused"] == (
        "12 of 12 instances (fr) overlap with those that selected the pair; 10 must be left"
    )
    assert all(pd.isna(refused[name]) for name in NUMBERS)


def test_clusters_that_selected_never_judge(tmp_path: Path) -> None:
    # The passages p0 to p3 have instances in both splits.
    dev, test = [f"p{k % 4}" for k in range(12)], [f"p{k % 8}" for k in range(24)]
    write_run(tmp_path, {"fr": [SELECTING] * 12}, clusters=dev)
    write_run(tmp_path, {"fr": [OTHER] * 24}, clusters=test, split="test", first=12)
    judged = row(t3(tmp_path), "dev to test")
    assert (judged["n"], judged["dropped"], judged["accuracy"]) == (12, 12, 0)


@pytest.mark.parametrize(("chosen", "of_sw"), [("per language", 0), ("pooled", 4)])
def test_those_count_that_selected_this_pair(tmp_path: Path, chosen: str, of_sw: int) -> None:
    # q6 to q9 selected in fr and are judged in both languages; sw selected on q0 to q5.
    write_run(tmp_path, {"fr": [SELECTING] * 10, "sw": [SELECTING] * 6})
    write_run(tmp_path, dict.fromkeys(("fr", "sw"), [SELECTING] * 20), split="test", first=6)
    frame = t3(tmp_path, chosen)
    dropped = {name: row(frame, "dev to test", name)["dropped"] for name in ("fr", "sw", MACRO)}
    assert dropped == {"fr": 4, "sw": of_sw, MACRO: 4 + of_sw}


def test_a_row_is_refused_where_one_language_has_too_few_left(tmp_path: Path) -> None:
    write_run(tmp_path, {"fr": [SELECTING] * 10, "sw": [SELECTING] * 2})
    verdicts = {"fr": [SELECTING] * 19, "sw": [SELECTING] * 19}
    write_run(tmp_path, verdicts, split="test")
    frame = t3(tmp_path)
    fr, sw, macro = (row(frame, "dev to test", name) for name in ("fr", "sw", MACRO))
    assert (fr["n"], sw["n"], macro["n"]) == (9, 17, 26)
    assert fr["refused"] and macro["refused"] == fr["refused"]
    assert (sw["refused"], sw["accuracy"]) == ("", 1)


def test_other_tasks_have_other_instances(tmp_path: Path) -> None:
    names = [f"p{k}" for k in range(12)]
    for task in ("quiz", "riddle"):
        write_run(tmp_path, {"fr": [SELECTING] * 12}, clusters=names, task_name=task)
    write_run(tmp_path, {"fr": [OTHER] * 12}, task_name="riddle", split="test", first=50)
    frame = t3(tmp_path)
    assert set(frame.task) == {"riddle"}
    assert (frame.dropped == 0).all()


def test_ids_may_hold_the_name_of_their_split(tmp_path: Path) -> None:
    write_run(tmp_path, {"fr": [SELECTING] * 12})
    (one,) = load_study([tmp_path]).experiments
    names = np.char.add("unseen-", one.instance)
    other = replace(one, instance=names, cluster=names)
    free = unmet(one.rows_at(np.arange(4)), other, pooled=False)
    assert free.tolist() == [False] * 4 + [True] * 8
