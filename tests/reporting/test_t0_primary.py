"""T0 by hand: six contrasts of a small study, and what stands in the place of one without runs.

The split dev is that of the golden study, which selects 1→0 for fr and 0→1 for sw. The split test
has twelve questions. Verdicts on the baseline and on (0,0) (0,1) (1,0) (1,1):

         fr                    sw
    q0   0  0 0 1 1            0  0 1 1 0
    q1   0  0 0 1 1            0  0 1 1 0
    q2   0  0 0 1 1            0  0 1 1 0
    q3   0  0 0 1 1            0  0 1 1 0
    q4   0  0 0 1 1            0  0 1 0 0
    q5   0  0 0 1 0            0  0 1 0 0
    q6   0  0 0 1 0            1  0 0 1 0
    q7   0  0 1 1 0            0  0 0 0 0
    q8   1  0 1 0 0            0  0 0 0 0
    the other three are wrong everywhere
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import write_run
from test_golden_study import VERDICTS

from xtransplant.analysis.primary_family import primary_contrasts
from xtransplant.analysis.primary_runs import primary_runs
from xtransplant.analysis.study import Study, load_study
from xtransplant.cli import app as cli
from xtransplant.config import primary_family as declared
from xtransplant.reporting.findings import findings
from xtransplant.reporting.t0_primary import T0
from xtransplant.reporting.table import Record, StudyRows
from xtransplant.store.axis import Rule, method_axis
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.run_identity import RunIdentity
from xtransplant.types import Cell

TESTED = {
    "fr": [*["00011"] * 5, *["00010"] * 2, "00110", "10100", *["00000"] * 3],
    "sw": [*["00110"] * 4, *["00100"] * 2, "10010", *["00000"] * 5],
}
MEAN = {
    "fr": [*["00010"] * 2, *["00000"] * 6, "10000", "00010", *["00000"] * 2],
    "sw": ["00100", *["00000"] * 5, "10000", *["00000"] * 5],
}
DRAWN = {"fr": [*["00000"] * 8, "10000", *["00000"] * 3], "sw": [*MEAN["sw"][1:], "00000"]}
SAMPLES = {
    "fr": [*["01000"] * 4, *["00000"] * 4, "10000", *["00000"] * 3],
    "sw": [*["00001"] * 2, *["00000"] * 4, "10000", *["00000"] * 5],
}
LATER = {"split": "test", "first": 6}


def write(root: Path, *controls: str) -> None:
    write_run(root, VERDICTS)
    write_run(root, TESTED, **LATER)
    made = {"mean": MEAN, "random_instance": DRAWN, "samples": SAMPLES}
    for control in controls:
        module = "untouched" if control == "samples" else "mlp"
        write_run(root, made[control], **LATER, control=control, module=module, source="Another")


def t0(root: Path) -> dict[str, Record]:
    return {row["letter"]: row for row in StudyRows(load_study([root])).of(T0)}


def test_six_contrasts_by_hand(tmp_path: Path) -> None:
    write(tmp_path, "mean", "random_instance", "samples")
    rows = t0(tmp_path)
    found = {
        letter: [row["n"], row["accuracy"], row["compared"], row["difference"]]
        for letter, row in rows.items()
        if row["p"] is not None
    }
    # Selected: fr 8 and sw 6 of 12. Vote of all four cells, ties by the better cell of dev: fr q0
    # to q4 and q7, sw q0 to q3. Upper bound: fr 9, sw 7.
    assert found == {
        "a": pytest.approx([24, 14 / 24, 2 / 24, 12 / 24]),
        "b": pytest.approx([24, 14 / 24, 4 / 24, 10 / 24]),
        "c": pytest.approx([24, 14 / 24, 0, 14 / 24]),
        "d": pytest.approx([24, 16 / 24, 6 / 24, 10 / 24]),
        "e": pytest.approx([24, 10 / 24, 2 / 24, 8 / 24]),
    }
    # A question in both languages is one cluster. Sums of (a): q0 to q5 2, q6 0, q7 1, q8 -1. Of
    # 2^8 swaps, 3 reach 12, and 3 reach -12. The others are counted in the same way.
    p = {"a": 6, "b": 10, "c": 2, "d": 4, "e": 30}
    assert {letter: rows[letter]["p"] for letter in p} == pytest.approx(
        {letter: count / 256 for letter, count in p.items()}
    )
    # Holm over six: what was not run is the largest p.
    holm = {"c": 12, "d": 20, "a": 24, "b": 30, "e": 60}
    assert {letter: rows[letter]["p_holm"] for letter in holm} == pytest.approx(
        {letter: count / 256 for letter, count in holm.items()}
    )
    decided = {letter: row["decides"].partition(":")[0] for letter, row in rows.items()}
    assert decided == {**dict.fromkeys("abde", "open"), "c": "gain", "f": "not run"}
    assert {letter: rows[letter]["cell"] for letter in "abcd"} == {
        **dict.fromkeys("abc", "1→0 0→1"),
        "d": "",
    }
    assert {(row["module"], row["selected_on"]) for row in rows.values()} == {("mlp", "dev")}
    assert rows["f"]["decides"].endswith("with split=dev and split=test")


def test_what_was_not_run_is_named_and_counts(tmp_path: Path) -> None:
    write(tmp_path)
    rows = t0(tmp_path)
    assert list(rows) == list(declared.CONTRASTS)
    assert {letter for letter, row in rows.items() if row["p"] is None} == set("bcdf")
    folder = tmp_path / "quiz/tiny/mlp/test-none-4-0"
    for letter, control in (("b", "mean"), ("c", "random_instance"), ("d", "samples")):
        wanted = f"not run: run the command of {folder} with control={control}"
        assert rows[letter]["decides"] == wanted
    # The smaller of two p-values times six, not times two.
    assert rows["a"]["p_holm"] == pytest.approx(6 * 6 / 256)


def test_without_a_later_split_nothing_is_decided(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    rows = t0(tmp_path)
    assert all(row["decides"].startswith("not run: ") for row in rows.values())
    assert "select" in rows["a"]["decides"] and "split=test" in rows["d"]["decides"]
    write_run(tmp_path, {"fr": ["000"]}, [Cell(0, 0), Cell(0, 1)], model_name="other", **LATER)
    other = [row for row in StudyRows(load_study([tmp_path])).of(T0) if row["model"] == "other"]
    assert {row["decides"] for row in other} == {
        "not run: run a grid of several cells with split=dev"
    }


def test_instances_that_selected_do_not_judge(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, {name: lines * 2 for name, lines in VERDICTS.items()}, split="test")
    rows = t0(tmp_path)
    for letter in "abcef":
        assert rows[letter]["decides"].startswith("refused: 6 of 12 instances (fr) overlap")
    assert rows["d"]["decides"].startswith("not run: ")


def test_instances_that_overlap_are_dropped(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, TESTED, split="test", first=4)  # its q0 and q1 are q4 and q5 of dev
    rows = t0(tmp_path)
    assert [rows["a"]["n"], rows["a"]["accuracy"]] == [20, pytest.approx(10 / 20)]
    assert [rows["e"]["n"], rows["e"]["accuracy"]] == [20, pytest.approx(6 / 20)]


def test_a_study_of_another_module_has_its_family(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS, module="block")
    assert {row["module"] for row in t0(tmp_path).values()} == {"block"}


def test_one_family_a_model_whatever_modules_were_run(tmp_path: Path) -> None:
    write(tmp_path, "mean")
    # attn selects pairs with 5 and 5 of 6 on dev, mlp with 4 and 4; on test it is never right.
    better = {name: ["00100"] * 5 + ["00000"] for name in VERDICTS}
    write_run(tmp_path, better, module="attn")
    write_run(tmp_path, {name: ["00000"] * 12 for name in TESTED}, module="attn", **LATER)
    # The modules that are not the paper's stand in only where it has none.
    write_run(tmp_path, {name: ["01111"] * 6 for name in VERDICTS}, module="block")
    rows = t0(tmp_path)
    assert len(rows) == 6 and {row["module"] for row in rows.values()} == {"attn"}
    assert rows["a"]["difference"] == 0 and "control=mean" in rows["b"]["decides"]


def test_a_control_without_the_instances_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    fewer = {"fr": MEAN["fr"]}
    write_run(tmp_path, fewer, **LATER, control="mean")
    assert t0(tmp_path)["b"]["decides"].startswith("refused: ")
    # Another number of tries is no control of the bound.
    write_run(
        *(tmp_path, {name: ["00"] * 12 for name in TESTED}, [Cell(0, 0)]),
        **{**LATER, "control": "samples", "module": "untouched"},
    )
    assert t0(tmp_path)["d"]["decides"].startswith("not run: ")
    # Nor are as many at another temperature than the family was declared for.
    samples = {**LATER, "control": "samples", "module": "untouched", "source": "Another"}
    write_run(tmp_path, SAMPLES, **samples, decode_temperature=0.7)
    assert t0(tmp_path)["d"]["decides"].startswith("not run: ")
    write_run(tmp_path, SAMPLES, **samples, seed=1)
    assert t0(tmp_path)["d"]["difference"] is not None


def test_a_run_that_has_not_ended_is_named_where_it_is_missing(tmp_path: Path) -> None:
    write(tmp_path, "mean", "random_instance")
    stopped = tmp_path / "quiz/tiny/mlp/test-mean-4-0"
    (stopped / "generations" / "sw-0000.parquet").unlink()
    RunFolder(stopped, stopped.name).update_manifest(status="failed")
    rows = t0(tmp_path)
    assert rows["b"]["decides"].startswith(f"not run: {stopped}: not finished, 1 of 2 parts")
    assert rows["a"]["p"] is not None and rows["c"]["p"] is not None


@dataclass(frozen=True, kw_only=True)
class Asked(RunIdentity):
    """An identity with the axis that a later version has."""

    ask: str = method_axis("prompt.ask", Rule.SEPARATES, "own", other_prompts=True)


def with_methods(study: Study, methods: dict[str, dict[str, str]]) -> Study:
    """Return a study with further runs that ask otherwise: verdicts by split, both languages."""
    found = list(study.outcomes)
    for ask, by_split in methods.items():
        for one in study.experiments:
            if verdicts := by_split.get(str(one.identity.split)):
                asked = replace(found[0].run.identity, split=one.identity.split)
                identity = Asked(**{**vars(asked), "cells": (), "ask": ask})
                right = np.array([verdict == "1" for verdict in verdicts])
                run = replace(one.run, identity=identity)
                found.append(replace(one, run=run, baseline=right))
    own = [replace(one, run=replace(one.run, identity=_own(one.identity))) for one in found]
    return Study(own)


def _own(identity: Any) -> Asked:
    return identity if isinstance(identity, Asked) else Asked(**vars(identity))


def test_the_method_that_was_best_where_the_pair_was_selected(tmp_path: Path) -> None:
    write(tmp_path)
    methods = {
        # On dev "both" is right on 5 and 4 of 6, "pivot" on 3 and 3; on test it is the reverse.
        "both": {"dev": "111110111100", "test": "110000000000" * 2},
        "pivot": {"dev": "111000111000", "test": "111111111111" * 2},
    }
    (runs,) = primary_runs(with_methods(load_study([tmp_path]), methods))
    sides = primary_contrasts(runs)["f"]
    assert not isinstance(sides, str) and sides.what == "ask both"
    assert float(sides.scope.mean(sides.right)[0]) == pytest.approx(4 / 24)
    assert float(sides.scope.mean(sides.left)[0]) == pytest.approx(14 / 24)
    del methods["both"]["test"]
    (runs,) = primary_runs(with_methods(load_study([tmp_path]), methods))
    assert str(primary_contrasts(runs)["f"]).startswith("not run: run the command of ")


def test_the_sentences_that_a_reader_begins_with(tmp_path: Path) -> None:
    write(tmp_path, "mean", "random_instance", "samples")
    first, *lines = findings(StudyRows(load_study([tmp_path])))
    assert first.startswith("quiz, tiny, module mlp: six contrasts") and "version 1" in first
    assert first.endswith("selected on dev, judged on test.")
    assert [line[:4] for line in lines] == [f"({letter}) " for letter in "abcdef"]
    assert lines[0].startswith(
        "(a) Open: the selected pair answers 58.3 % of 24 instances, the untouched model 8.3 %: "
        "+50.0 points ["
    )
    assert "corrected p 0.094. While as many instances are lost, such a sample finds" in lines[0]
    assert "corrected p 0.117. A gain of " in lines[1] and "would have been found" in lines[1]
    assert lines[2].startswith("(c) Gain: ") and "would have been found" not in lines[2]
    assert lines[5].startswith("(f) Not run, the selected pair against the other method")


def test_a_family_that_was_declared_later_is_said(tmp_path: Path) -> None:
    write(tmp_path)
    assert "declared, so" not in findings(StudyRows(load_study([tmp_path])))[-1]
    path = tmp_path / "quiz/tiny/mlp/test-none-4-0"
    RunFolder(path, path.name).update_manifest(primary_family=None)
    last = findings(StudyRows(load_study([tmp_path])))[-1]
    assert last.startswith("1 of 2 runs were started before version 1 of the family was declared")


def test_the_margin_decides_what_is_alike(tmp_path: Path) -> None:
    # 400 instances, one gained and one lost: less than two points apart, but not than half a point.
    clusters = [f"c{number}" for number in range(406)]
    tested = {"fr": ["00010", "10000", *["10010"] * 398]}
    write_run(tmp_path, {"fr": VERDICTS["fr"]}, clusters=clusters)
    write_run(tmp_path, tested, clusters=clusters[6:], **LATER)
    wide, narrow = (
        {row["letter"]: row for row in StudyRows(load_study([tmp_path], margin)).of(T0)}["a"]
        for margin in (0.02, 0.005)
    )
    assert (wide["difference"], wide["decides"], narrow["decides"]) == (0, "alike", "open")
    assert wide["margin"] == 0.02


@pytest.mark.parametrize("margin", ["0", "-1", "100", "nan"])
def test_a_margin_that_makes_no_sense_is_one_line(tmp_path: Path, capsys, margin: str) -> None:
    write_run(tmp_path / "runs", VERDICTS)
    command = ["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--margin", margin]) == 2
    error = capsys.readouterr().err
    assert f"--margin {float(margin):g}; allowed: more than 0" in error and error.count("\n") == 1
