"""Sweeps by every launcher that needs no cluster: a lost job does not stop the others."""

import os
import signal
from pathlib import Path

import pytest

from hydra_plugins import xtransplant_launchers as launchers
from xtransplant import cli, jobs
from xtransplant.config import sweep
from xtransplant.console import Console
from xtransplant.errors import ConfigError
from xtransplant.jobs import Outcome, do_one_of_many
from xtransplant.sweeps import table


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_on_this_machine_a_killed_job_is_one_outcome_of_three() -> None:
    def job(compose, overrides):
        module = compose().module
        if module == "attn":
            os.kill(os.getpid(), signal.SIGKILL)
        from huggingface_hub import constants

        where = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {constants.HF_HUB_OFFLINE}"
        return Outcome(tuple(overrides), 0, f"{module} {where}")

    overrides = ["hydra/launcher=local", "hydra.launcher.n_jobs=3", "module=attn,mlp,block"]
    lost, *others = sweep(overrides, job)
    assert (lost.overrides, lost.status, lost.state) == (("module=attn",), 1, "failed")
    assert lost.reason.startswith("ended without a result, state ") and "_log.err" in lost.reason
    assert [each.reason for each in others] == ["mlp None True", "block None True"]


def test_on_one_machine_each_job_has_its_own_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5, 6")

    def job(compose, overrides):
        import time

        time.sleep(1)
        return os.environ["CUDA_VISIBLE_DEVICES"]

    seen = sweep(["hydra/launcher=local", "limit=range(1,5)"], job)
    assert sorted(seen[:3]) == ["4", "5", "6"] and seen[3] in "456"


@pytest.mark.parametrize(
    ("per_job", "n_jobs", "gpus", "expected"),
    [
        (None, None, "0123", ["0", "1", "2", "3"]),
        (None, 2, "0123", ["0", "1"]),
        (2, None, "01234", ["0,1", "2,3"]),
        (0, None, "01", [""]),
        (None, None, "", [None]),
        (None, 3, "", [None] * 3),
    ],
)
def test_shares_of_gpus(per_job, n_jobs, gpus, expected) -> None:
    assert launchers._shares(per_job, n_jobs, list(gpus)) == expected


def test_more_gpus_than_there_are() -> None:
    message = "bad value 2 for hydra.launcher.gpus_per_job; this machine shows 1"
    with pytest.raises(ConfigError, match=message):
        launchers._shares(2, None, ["0"])


def test_joblib_runs_jobs_in_processes() -> None:
    def job(compose, overrides):
        return compose().module, os.getpid()

    given = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "module=attn,mlp"]
    seen = sweep(given, job)
    assert [module for module, _ in seen] == ["attn", "mlp"]
    assert os.getpid() not in [pid for _, pid in seen]


def test_a_defect_is_told_with_its_trace_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(config, console):
        raise TypeError("no\nsuch thing")

    monkeypatch.setattr(jobs, "do", broken)
    outcome = do_one_of_many(lambda: None, ["limit=1"])  # type: ignore[arg-type,return-value]
    assert outcome == Outcome(("limit=1",), 1, "TypeError: no such thing", "failed")
    assert "in broken" in capsys.readouterr().err


def test_a_job_whose_settings_do_not_go_together_is_one_that_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each value is allowed with the first of the others, but not the two together."""
    given = ["run", "-m", "shard.count=2,1", "shard.index=0,1", "dry_run=true", "limit=1"]
    assert cli.main(given) == 2
    out, err = capsys.readouterr()
    rows = [line.split(maxsplit=3) for line in out.splitlines() if line.startswith("shard.")]
    assert [row[2] for row in rows] == ["done", "done", "done", "failed"]
    assert rows[3][3].startswith("bad value 1 for shard.index; allowed: 0 to 0")
    assert (
        err.splitlines()[-1] == "error: 1 of 4 jobs failed; the same command does what is missing"
    )


def test_the_table_names_what_tells_jobs_apart(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [
        Outcome(("task=xnli", "module=attn", "languages=[fr, sw]")),
        Outcome(("task=xnli", "module=mlp", "languages=[fr, sw]"), 0, "job 7_1", "sent"),
    ]
    table(outcomes, Console())
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2:] == ["module=attn done", "module=mlp sent job 7_1"]


def test_submit_without_slurm_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["submit", "module=attn,mlp"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('error: the launcher gave up: RuntimeError: Could not detect "srun"')
