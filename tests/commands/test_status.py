"""`xtransplant status` counts what is there, with hand-made folders."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from xtransplant.cli import app as cli
from xtransplant.commands.status import SILENT, RunStatus, status_of, watch_status
from xtransplant.store.leases import Leases
from xtransplant.store.manifest import Manifest
from xtransplant.terminal import Console

ALL = {f"{language}-{block:04d}.parquet": 1.0 for language in ("fr", "sw") for block in range(4)}
LONG_AGO = "2024-01-01T00:00:00+00:00"


def make_run(path: Path, manifest: Manifest, parts: dict[str, float]) -> Path:
    """Write a run whose parts were written at these times."""
    (path / "generations").mkdir(parents=True)
    (path / "manifest.json").write_text(manifest.to_json())
    for name, moment in parts.items():
        part = path / "generations" / name
        part.touch()
        os.utime(part, (moment, moment))
    return path


def manifest(**changes: Any) -> Manifest:
    return Manifest(key="k", config={}, n_parts={"fr": 4, "sw": 4}, **changes)


def test_a_run_at_work(tmp_path: Path) -> None:
    parts = {
        **{f"fr-000{block}.parquet": 1000.0 + 30 * block for block in range(4)},
        "sw-0000.parquet": 1120.0,
        "de-0000.parquet": 1.0,  # no command asked for it
        ".sw-0001.parquet.12.tmp": 5000.0,  # half written
    }
    run = make_run(tmp_path / "run", manifest(status="running", updated=LONG_AGO), parts)
    leases = Leases(run / ".leases")
    first, second = (leases.take(name) for name in ("sw-0001", "sw-0002"))
    assert first and second
    with first, second:
        silent = time.time() - 20
        os.utime(leases.folder / "sw-0001", (silent, silent))
        found = status_of(run)
    # Five parts in 120 s are four intervals of 30 s: 120 parts an hour; 3 are left, 90 s.
    assert (found.status, found.parts_done, found.parts, found.workers) == ("running", 5, 8, 2)
    assert found.parts_per_hour == pytest.approx(120)
    assert found.seconds_left == pytest.approx(90)
    assert found.seconds_since_heartbeat == pytest.approx(20, abs=3)


def test_the_rate_is_that_of_the_newest_parts(tmp_path: Path) -> None:
    """A night's pause before them does not count."""
    earlier = {f"fr-{block:04d}.parquet": 10.0 * block for block in range(5)}
    newest = {f"sw-{block:04d}.parquet": 90_000 + 2.0 * block for block in range(20)}
    run = make_run(tmp_path / "run", manifest(), earlier | newest)
    assert status_of(run).parts_per_hour == pytest.approx(1800)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"status": "done"}, ("done", None)),
        ({"status": "failed", "reason": "OutputError: full"}, ("failed", "OutputError: full")),
        ({"status": "running", "updated": LONG_AGO}, ("missing", SILENT)),
        ({"status": "running"}, ("running", None)),  # it has just begun, and holds no part yet
    ],
)
def test_runs_without_processes(
    tmp_path: Path, written: dict[str, str], expected: tuple[str, str | None]
) -> None:
    run = make_run(tmp_path / "run", manifest(**written), ALL)
    found = status_of(run)
    assert (found.status, found.reason) == expected
    assert (found.workers, found.parts_per_hour, found.seconds_left) == (0, None, None)


def test_the_table_and_json_of_several_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = manifest(status="failed", reason="MachineError: out of memory")
    make_run(Path("outputs/xnli/m/mlp/1"), failed, {"fr-0000.parquet": 1.0})
    make_run(Path("outputs/xnli/m/attn/2"), manifest(status="done"), ALL)
    make_run(Path("outputs/.sweeps/x"), manifest(), {})  # no run of ours
    broken = make_run(Path("outputs/xquad/m/attn/3"), manifest(), {})
    (broken / "manifest.json").write_text("{")
    assert cli.main(["status"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "run status parts workers heartbeat parts/h time left reason"
    assert lines[2] == "xnli/m/attn/2 done 8/8"
    assert lines[3] == "xnli/m/mlp/1 failed 1/8 MachineError: out of memory"
    assert lines[4].startswith("xquad/m/attn/3 unreadable 0/0 manifest.json: Expecting property")
    assert lines[-1] == "3 runs: 1 done, 1 failed, 1 unreadable; 9 of 16 parts"
    assert cli.main(["status", "outputs/xnli/m/mlp", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert RunStatus(**entry) == status_of(Path("outputs/xnli/m/mlp/1"))


@pytest.mark.parametrize(
    "field",
    [
        *({"n_parts": None}, {"n_parts": {"fr": "3"}}, {"n_parts": {"fr": -1}}),
        *({"updated": "yesterday"}, {"updated": None}, {"updated": 3}, {"created": []}),
        *({"status": {}}, {"status": "odd"}, {"reason": {}}, {"config": 3}, {"key": None}),
        *({"timings": {"load": "3"}}, {"cost": {"seconds": []}}, {"versions": 1}, {"device": 2}),
    ],
)
def test_an_odd_manifest_hides_no_other_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: dict[str, Any]
) -> None:
    make_run(tmp_path / "good", manifest(status="done"), ALL)
    odd = make_run(tmp_path / "odd", manifest(status="running"), {})
    content = json.loads((odd / "manifest.json").read_text())
    (odd / "manifest.json").write_text(json.dumps(content | field))
    assert cli.main(["status", str(tmp_path)]) == 0
    assert "2 runs: 1 done, 1 unreadable" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"[" * 100_000, b"", b"\xff", b"{}", b"[]", b"null"])
def test_a_file_that_is_no_manifest_hides_no_other_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    make_run(tmp_path / "good", manifest(status="done"), ALL)
    odd = make_run(tmp_path / "odd", manifest(), {})
    (odd / "manifest.json").write_bytes(content)
    linked = make_run(tmp_path / "linked", manifest(), {})
    (linked / "manifest.json").unlink()
    (linked / "manifest.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "good" / "generations" / "fr-0000.parquet.parquet").symlink_to("nowhere")
    assert cli.main(["status", str(tmp_path)]) == 0
    assert "3 runs: 1 done, 2 unreadable" in capsys.readouterr().out


def test_a_part_that_is_gone_and_a_file_that_is_no_part_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", manifest(status="done"), ALL)
    (run / "generations" / "sw-0002.parquet").unlink()
    found = status_of(run)
    assert (found.status, found.parts_done, found.parts) == ("missing", 7, 8)
    remedy = "gone; run the same command again, which makes what is gone anew"
    assert found.reason == f"sw-0002 is {remedy}"
    (run / "generations" / "fr-0000.parquet").unlink()
    assert status_of(run).reason == f"fr-0000 and 1 more are {remedy}"
    names = ("sw-0001 (copy).parquet", "sw-1.parquet", "sw-0004.parquet", "copy.parquet")
    for name in (*names, "sw-00002.parquet", "sw-0001.parquet.bak", "sw-0001.PARQUET"):
        stray = run / "generations" / name
        stray.touch()
        reason = status_of(run).reason
        assert reason == f"{stray} is not a part of this run; move it out of the folder"
        stray.unlink()


def test_a_part_of_a_language_that_nobody_asked_for_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", manifest(status="done"), ALL | {"de-0000.parquet": 1.0})
    part = run / "generations" / "de-0000.parquet"
    assert status_of(run).reason == f"{part} is of a language that no command of this run asked for"


def test_watching_is_not_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(tmp_path), "--watch", "--json"]) == 2
    said = capsys.readouterr().err
    assert said == "error: --watch and --json cannot be combined; give one of them\n"


def test_no_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", str(tmp_path / "none")]) == 2
    message = f"error: no run below '{tmp_path}/none': no manifest.json; give a folder of results\n"
    assert capsys.readouterr().err == message


def test_watching_shows_what_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", manifest(), {})
    looks = []

    def later(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt
        (run / "generations" / "fr-0000.parquet").touch()

    with pytest.raises(KeyboardInterrupt):
        watch_status(tmp_path, Console(), 7.0, later)
    shown = [
        line.split()[2]
        for line in capsys.readouterr().out.splitlines()
        if "run " in line[:4] and "/8" in line
    ]
    assert (shown, looks) == (["0/8", "1/8"], [7.0, 7.0])


def test_it_needs_neither_torch_nor_pandas(tmp_path: Path) -> None:
    import subprocess
    import sys

    make_run(tmp_path / "run", manifest(), {})
    code = (
        f"import sys\nfrom xtransplant.cli.app import main\nmain(['status', {str(tmp_path)!r}])\n"
        "sys.exit(bool({'torch', 'pandas', 'pyarrow', 'hydra'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
