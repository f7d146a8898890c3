"""Sweeps by every launcher that needs no cluster: a lost job does not stop the others."""

import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import ClassVar

import pytest
import yaml
from hub_cache import COMMIT, lay_out

from xtransplant.cli import app as cli
from xtransplant.config.compose import compose, conf_dir, sweep
from xtransplant.errors import RESUME, ConfigError, MachineError
from xtransplant.runner import job as jobs
from xtransplant.runner import sweep as sweeps
from xtransplant.runner.job import Outcome, do_one_of_many
from xtransplant.runner.launchers import local, slurm
from xtransplant.runner.sweep import run_sweep, table
from xtransplant.terminal import Console


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
    assert local._shares(per_job, n_jobs, list(gpus)) == expected


def test_more_gpus_than_there_are() -> None:
    message = "bad value 2 for hydra.launcher.gpus_per_job; this machine shows 1"
    with pytest.raises(ConfigError, match=message):
        local._shares(2, None, ["0"])


@pytest.mark.parametrize("gpus", [[], ["0", "1"]])
@pytest.mark.parametrize(
    ("per_job", "n_jobs", "message"),
    [
        (None, 0, "bad value 0 for hydra.launcher.n_jobs; allowed: 1 or more"),
        (None, -1, "bad value -1 for hydra.launcher.n_jobs; allowed: 1 or more"),
        (-1, None, "bad value -1 for hydra.launcher.gpus_per_job; allowed: 0 or more"),
    ],
)
def test_no_job_at_a_time_would_wait_for_ever(per_job, n_jobs, message, gpus) -> None:
    with pytest.raises(ConfigError, match=message):
        local._shares(per_job, n_jobs, gpus)


def test_slurms_jobs_are_waited_for_until_a_result_or_until_they_are_gone_for_two_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def job(number: int) -> SimpleNamespace:
        paths = SimpleNamespace(result_pickle=tmp_path / f"{number}.pkl")
        return SimpleNamespace(job_id=f"7_{number}", paths=paths)

    (tmp_path / "0.pkl").touch()
    # 7_1 is away for one look only, as a job that is being requeued; 7_2 is cancelled.
    looks = iter([{"7_2"}, {"7_1", "7_2"}, None, {"7_1"}, {"7_1"}])

    def queue() -> set[str] | None:
        if (found := next(looks, "over")) != "over":
            return found
        (tmp_path / "1.pkl").touch()
        return set()

    monkeypatch.setattr(slurm, "_queue", queue)
    monkeypatch.setattr(slurm, "SECONDS_BETWEEN_QUEUES", -1.0)
    monkeypatch.setattr(slurm.time, "sleep", lambda seconds: None)
    slurm._wait([job(number) for number in range(3)])
    assert capsys.readouterr().err.splitlines() == [
        "job 7_0 ended; 1 of 3",
        "job 7_2 ended; 2 of 3",
        "job 7_1 ended; 3 of 3",
    ]
    assert list(looks) == []


def test_joblib_runs_jobs_in_processes() -> None:
    def job(compose, overrides):
        return compose().module, os.getpid()

    given = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "module=attn,mlp"]
    seen = sweep(given, job)
    assert [module for module, _ in seen] == ["attn", "mlp"]
    assert os.getpid() not in [pid for _, pid in seen]


def test_a_process_of_joblib_that_is_killed_ends_the_sweep_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(compose, overrides):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(sweeps, "do_one_of_many", killed)
    given = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "module=attn,mlp"]
    with pytest.raises(MachineError, match="the launcher gave up: TerminatedWorkerError: "):
        run_sweep(given, None, Console())


class Hub(BaseHTTPRequestHandler):
    """A hub that has nothing, and remembers what it was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("offline", ["1", "0"])
def test_a_job_with_a_prepared_cache_asks_the_hub_nothing(
    offline: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        lay_out(tmp_path / "hub")

        def job(compose, overrides):
            from xtransplant.models.loading import identity, load_config

            return identity("someone/tiny"), load_config("someone/tiny").num_hidden_layers

        given = ["hydra/launcher=local", f"hydra.job.env_set.HF_HUB_OFFLINE='{offline}'"]
        Hub.asked.clear()
        assert sweep(given, job) == [(f"someone/tiny@{COMMIT}", 3)]
        server.shutdown()
    assert bool(Hub.asked) == (offline == "0")


@pytest.mark.parametrize("launcher", ["slurm", "local", "ray"])
def test_jobs_of_every_launcher_of_ours_are_off_line(launcher: str) -> None:
    content = yaml.safe_load((conf_dir() / f"hydra/launcher/{launcher}.yaml").read_text())
    assert content["job"]["env_set"] == {"HF_HUB_OFFLINE": "1"}


def test_a_defect_is_told_with_its_trace_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(config, console):
        raise TypeError("no\nsuch thing")

    monkeypatch.setattr(jobs, "do", broken)
    outcome = do_one_of_many(lambda: compose(["limit=1"]), ["limit=1"])
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
    assert err.splitlines()[-1] == f"error: 1 of 4 jobs failed; {RESUME}"


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
    assert cli.main(["submit", "module=attn,mlp"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "error: hydra/launcher=slurm needs Slurm, and there is no srun on the PATH; sweep where "
        "Slurm is, or on this machine: xtransplant run -m hydra/launcher=local"
    )
