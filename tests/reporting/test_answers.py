"""The table of answers by hand, and the warnings where most are cut off or none is right."""

from pathlib import Path

import pytest
from made_runs import write_run

from xtransplant.analysis.study import load_study
from xtransplant.cli import app as cli
from xtransplant.reporting.tables import all_tables

# Baseline, then the cells (0,0) (0,1) (1,0) (1,1); "-" cannot be read, "x" is wrong and cut off.
VERDICTS = {"fr": ["-1100", "01000", "1000x", "xxx1x"]}


def answers(root: Path) -> dict[str, object]:
    (frame,) = [one.frame for one in all_tables(load_study([root])) if one.name == "answers"]
    (record,) = frame.to_dict("records")
    return record


def test_the_shares_by_hand(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    record = answers(tmp_path)
    # Of 16 answers of cells four are cut off: one of the third question, three of the last.
    assert record["cut_off"] == pytest.approx(4 / 16)
    assert record["baseline_cut_off"] == pytest.approx(1 / 4)
    assert (record["baseline_unparsable"], record["unparsable"]) == (1 / 4, 0)
    # Two cells repair the first question, whose baseline cannot be read; one gains the second, and
    # one the last; all four lose the third.
    assert record["format_repaired"] == pytest.approx(2 / 16)
    assert record["wrong_to_right"] == pytest.approx(2 / 16)
    assert record["lost"] == pytest.approx(4 / 16)


def test_warnings_stand_in_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    write_run(runs, VERDICTS)
    write_run(runs, {"fr": ["xxxx0", "00000"]}, module="attn")
    write_run(runs, {"fr": ["xxxx1", "xxxx0"]}, split="test")
    assert cli.main(["report", str(runs), "--out", str(out)]) == 0
    terminal, text = capsys.readouterr().err, (out / "report.md").read_text("utf-8")
    for place in (terminal, text):
        assert "quiz (dev), tiny, attn: no answer is right" in place
        assert "quiz (test), tiny, mlp: 8 of 10 answers were cut off" in place
        assert "quiz (dev), tiny, mlp: " not in place
        assert "attn: 4 of 10" not in place
