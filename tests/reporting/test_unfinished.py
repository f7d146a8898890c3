"""A run that has not ended does not block the report of the others, and is named everywhere."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_runs import write_run
from test_golden_study import CONTROL, VERDICTS

from xtransplant.cli import app as cli
from xtransplant.store.run_folder import RunFolder

REASON = "not finished, 1 of 2 parts exist, status missing (KeyboardInterrupt)"


def interrupt(path: Path) -> Path:
    """Make of a finished run one that was stopped before its last part."""
    (path / "generations" / "sw-0000.parquet").unlink()
    folder = RunFolder(path, path.name)
    folder.update_manifest(status="missing", reason="KeyboardInterrupt")
    return path


def payload_of(page: Path) -> dict[str, Any]:
    packed = page.read_text("utf-8").partition('id="data">')[2].partition("<")[0]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_the_others_are_reported_and_the_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    write_run(runs, VERDICTS)
    write_run(runs, CONTROL, control="noise")
    stopped = interrupt(write_run(runs, VERDICTS, module="attn"))
    assert cli.main(["report", str(runs), "--out", str(out)]) == 0
    for table in ("T2_upper_bounds", "T4_significance", "T5_cost"):
        assert set(pd.read_csv(out / f"{table}.csv")["module"]) == {"mlp"}, table
    payload = payload_of(out / "page.html")
    shown = [(v["module"], v["language"], v["status"]) for v in payload["views"]]
    assert ("attn", "fr", "missing") in shown and ("attn", "sw", "missing") not in shown
    (on_page,) = payload["remarks"]
    # What T0 says comes first, and a run that is missing in it is the one of the module it chose.
    assert payload["findings"][0].startswith("quiz, tiny, module mlp: six contrasts")
    terminal, text = capsys.readouterr().err, (out / "report.md").read_text("utf-8")
    assert text.index(payload["findings"][0]) < text.index("left out of tables")
    for place in (on_page, terminal, text):
        assert f"left out of tables and figures: {stopped}: {REASON}" in place


def test_select_goes_on_without_it_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, VERDICTS)
    stopped = interrupt(write_run(tmp_path, VERDICTS, module="attn"))
    assert cli.main(["select", str(tmp_path)]) == 0
    written = capsys.readouterr().out
    assert "fr: [1, 0]" in written and f"# left out: {stopped}: {REASON}" in written


def test_a_run_without_a_part_is_named_too(tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    write_run(runs, VERDICTS)
    stopped = interrupt(write_run(runs, VERDICTS, module="attn"))
    (stopped / "generations" / "fr-0000.parquet").unlink()
    assert cli.main(["report", str(runs), "--out", str(out)]) == 0
    payload = payload_of(out / "page.html")
    assert {view["module"] for view in payload["views"]} == {"mlp"}
    assert f"{stopped}: not finished, 0 of 2 parts exist" in payload["remarks"][0]


def test_without_a_finished_experiment_the_error_says_which_is_unfinished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "out"
    stopped = interrupt(write_run(runs, VERDICTS))
    assert cli.main(["report", str(runs), "--out", str(out)]) == 2
    assert f"no finished run below {runs}; {stopped}: {REASON}" in capsys.readouterr().err
    write_run(runs, CONTROL, control="noise")
    assert cli.main(["report", str(runs), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "has only controls" in error and f"(left out: {stopped}: {REASON}" in error
    assert cli.main(["select", str(stopped)]) == 2
    assert REASON in capsys.readouterr().err
    assert not out.exists()


def test_a_damaged_run_is_still_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "runs", VERDICTS)
    damaged = write_run(tmp_path / "runs", VERDICTS, module="attn")
    part = damaged / "generations" / "fr-0000.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    assert cli.main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert str(part) in error and error.count("\n") == 1
