"""Folders that an earlier version wrote are found, continued and reported.

`fixtures/runs_0_1_0` was written by commit 691b8ca: a finished run, and a control of it in two
languages that SIGTERM stopped after the first part. Receipts and locks are left out.
"""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from xtransplant import load_runs
from xtransplant.cli import app as cli

RUNS = Path(__file__).parents[1] / "fixtures" / "runs_0_1_0"
MODULE = Path("outputs/pocket/pocket/mlp")
FINISHED, STOPPED = MODULE / "82da07a5a0e3", MODULE / "cfd01780c16a"
SETTINGS = ["run", "limit=2", "grid=pairs", "grid.pairs=[[0,0],[4,2],[-1,0]]", "device=cpu"]
AGAIN = [*SETTINGS, "languages=[sw]"]
ON = [*SETTINGS, "languages=[sw,id]", "control=random_instance", "seed=3"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(RUNS, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """The parts of a run."""
    return {str(path): path.read_bytes() for path in sorted(folder.glob("generations/*.parquet"))}


@pytest.fixture
def rescored() -> None:
    """Take the scorer of this version: its number went up, so its verdicts may be others."""
    assert cli.main(["rescore", "outputs"]) == 0


def test_verdicts_of_an_earlier_scorer_are_told_and_not_mixed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(AGAIN) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "holds verdicts of scorer exact_match-2, this run asks for exact_match-3" in told
    assert told.endswith(f"without a GPU: xtransplant rescore {FINISHED} scorer=exact_match")


@pytest.mark.usefixtures("rescored")
def test_a_finished_run_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = contents(FINISHED)
    assert cli.main(AGAIN) == 0
    out, err = capsys.readouterr()
    assert "1 of 1 parts are done already" in err
    assert f"results: {FINISHED}" in out
    assert contents(FINISHED) == before


@pytest.mark.usefixtures("rescored")
def test_a_stopped_run_is_continued(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    before = contents(STOPPED)
    assert {Path(name).stem for name in before} == {"sw-0000"}
    assert cli.main(ON) == 0
    assert "1 of 2 parts are done already" in capsys.readouterr().err
    assert contents(STOPPED).items() > before.items()
    assert json.loads((STOPPED / "manifest.json").read_text("utf-8"))["status"] == "done"

    assert cli.main([*ON, "output_root=fresh"]) == 0
    fresh = Path("fresh").joinpath(*STOPPED.parts[1:])
    old, new = load_runs(STOPPED), load_runs(fresh)
    pd.testing.assert_frame_equal(old.generations, new.generations)
    pd.testing.assert_frame_equal(old.instances, new.instances)
    pd.testing.assert_frame_equal(old.pairs, new.pairs)


def test_runs_are_reported() -> None:
    """The shares are those that version 0.1.0 showed at the end of the finished run."""
    assert cli.main(["report", "outputs", "--out", "report"]) == 0
    row = pd.read_csv("report/T2_upper_bounds.csv").iloc[0]
    assert (row.language, row.bound, row.n, row.cells) == ("sw", "upper bound", 2, 3)
    assert (row.baseline, row.accuracy) == (0.0, 0.5)
    # Its control was stopped after one of two languages.
    assert pd.isna(row.control)
    named = f"{STOPPED}: not finished, 1 of 2 parts exist, status missing (Stopped: SIGTERM)"
    assert named in Path("report/report.md").read_text("utf-8")
    # Nor did that version record what the cost of a fixed cell is computed from.
    costs = pd.read_csv("report/T5_cost.csv")
    assert costs["relative_cost"].isna().all() and costs["grid_flops"].gt(0).all()
