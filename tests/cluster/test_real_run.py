"""`xtransplant run` itself, killed, stopped by a signal, and given again until it is done."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from xtransplant.cli import app as cli
from xtransplant.store.manifest_file import read_manifest
from xtransplant.store.run_folder import RunFolder

ARGUMENTS = ["run", "languages=[sw,de]", "grid.stride=2", "limit=50"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments: str, deaf_to: signal.Signals | None = None) -> subprocess.Popen[str]:
    def ignore() -> None:
        if deaf_to is not None:
            signal.signal(deaf_to, signal.SIG_IGN)

    command = [sys.executable, "-m", "xtransplant", *ARGUMENTS, *arguments]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=ignore,
    )


def stop_after(
    process: subprocess.Popen[str],
    n_parts: int,
    number: int,
    send: Callable[[int, int], None] = os.kill,
) -> str:
    """Send a signal once that many parts are there; return what was said on standard error."""
    until = time.monotonic() + 60
    while (
        len(list(Path("outputs").rglob("generations/*.parquet"))) < n_parts
        and time.monotonic() < until
    ):
        time.sleep(0.002)
    assert process.poll() is None, "it was done too soon to be stopped"
    send(process.pid, number)
    _, err = process.communicate(timeout=30)
    return err


def test_a_run_killed_and_stopped_gives_the_rows_of_an_undisturbed_one(here: Path, capsys) -> None:
    killed = start("rows_per_batch=20")
    stop_after(killed, 2, signal.SIGKILL)
    assert killed.returncode == -9
    (path,) = (manifest.parent for manifest in Path("outputs").rglob("manifest.json"))
    folder = RunFolder(path, path.name)
    assert 2 <= len(folder.parts()) < 10
    assert folder.read_manifest().status == "running"  # nobody could say otherwise
    assert folder.leases.live() == {}

    stopped = start("rows_per_batch=20")
    err = stop_after(stopped, len(folder.parts()) + 1, signal.SIGTERM)
    assert stopped.returncode == 143
    said = "error: stopped by SIGTERM; run the same command again to resume"
    assert err.strip().splitlines()[-1] == said
    manifest = folder.read_manifest()
    assert (manifest.status, manifest.reason) == ("missing", "Stopped: SIGTERM")

    victim = folder.parts()[0]
    victim.write_bytes(victim.read_bytes()[:-100])
    assert cli.main(ARGUMENTS) == 0
    err = capsys.readouterr().err
    assert f"{victim} is cut off, or not a parquet file; it is now {path}/.set_aside/" in err
    assert folder.read_manifest().status == "done"

    assert cli.main([*ARGUMENTS, "output_root=undisturbed"]) == 0
    (whole,) = (manifest.parent for manifest in Path("undisturbed").rglob("manifest.json"))
    assert whole.name == path.name
    for name in ("generations", "instances.parquet", "pairs.parquet"):
        found, expected = pd.read_parquet(path / name), pd.read_parquet(whole / name)
        pd.testing.assert_frame_equal(found, expected)
    assert read_manifest(whole).status == "done"


# Deaf to SIGINT, by which submitit ends its jobs, is what a script has in the background.
IN_THE_BACKGROUND = (os.kill, signal.SIGTERM, "stopped by SIGTERM", signal.SIGINT)
CTRL_C = (os.killpg, signal.SIGINT, "interrupted", None)


@pytest.mark.parametrize(
    ("launcher", "send", "number", "said", "deaf_to"),
    [
        pytest.param("local", *IN_THE_BACKGROUND, id="local, to a driver in the background"),
        pytest.param("joblib", *CTRL_C, id="joblib, Ctrl-C"),
        pytest.param("local", *CTRL_C, id="local, Ctrl-C", marks=pytest.mark.crash),
        pytest.param(
            "joblib",
            *IN_THE_BACKGROUND,
            id="joblib, to a driver in the background",
            marks=pytest.mark.crash,
        ),
    ],
)
def test_a_signal_to_a_sweep_ends_its_jobs(
    here: Path,
    launcher: str,
    send: Callable[[int, int], None],
    number: signal.Signals,
    said: str,
    deaf_to: signal.Signals | None,
) -> None:
    driver = start(
        "-m", f"hydra/launcher={launcher}", "module=attn,mlp", "rows_per_batch=10", deaf_to=deaf_to
    )
    err = stop_after(driver, 1, number, send)
    assert driver.returncode == 128 + number
    assert f"error: {said}; run the same command again to resume" in err
    assert "Traceback" not in err
    runs = [path.parent for path in Path("outputs").rglob("manifest.json")]
    assert runs and all(RunFolder(run, run.name).leases.live() == {} for run in runs)
    assert all(read_manifest(run).status != "done" for run in runs)
