"""A sweep on a real Slurm of one node: jobs killed, requeued and cancelled, then sent again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from slurm_node import slurm
from sweep_runs import AXES, COMMON, N_JOBS, SHARDS, assert_same, environment, one_process

pytestmark = pytest.mark.slurm

CLUSTER = [f"hydra.launcher.{each}" for each in ("mem_gb=null", "gpus_per_job=null")]
CLUSTER += ["hydra.launcher.cpus_per_task=1", "hydra.launcher.timeout_min=30"]
XTRANSPLANT = [sys.executable, "-m", "xtransplant"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if os.getuid() != 0 or not shutil.which("sbatch"):
        pytest.fail("needs root and the packages slurmctld slurmd slurm-client munge")
    with slurm(tmp_path_factory.mktemp("slurm")) as variables:
        yield {**variables, **environment(), "SLURM_CONF": variables["SLURM_CONF"]}


def asked(cluster: dict[str, str], *command: str) -> list[str]:
    done = subprocess.run(command, env=cluster, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]


def jobs_in_state(cluster: dict[str, str], state: str) -> list[str]:
    squeue = ["squeue", "--noheader", "--array", "--format=%i", f"--states={state}"]
    return asked(cluster, *squeue)


def wait_until(condition, seconds: float = 240):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.2)
    return found


def holders(root: Path) -> list[int]:
    """The processes that hold parts."""
    found = []
    for lease in root.rglob(".leases/[!.]*"):
        try:
            found.append(json.loads(lease.read_text())["pid"])
        except (OSError, ValueError):
            continue
    return found


def job_of(pid: int) -> str | None:
    """The job that a process is of, as squeue names it; None where there is no such process."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
    except OSError:
        return None
    found = dict(each.partition("=")[::2] for each in variables)
    names = ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID")
    return "_".join(found[name] for name in names) if names[0] in found else None


def strike(root: Path, number: signal.Signals, spared: list[str]) -> str:
    """Send a signal to a process that holds a part, of none of the jobs spared; return its job."""
    at_work = wait_until(
        lambda: [(pid, job) for pid in holders(root) if (job := job_of(pid)) and job not in spared]
    )
    pid, job = at_work[0]
    os.kill(pid, number)
    return job


def test_a_sweep_with_jobs_killed_requeued_and_cancelled(
    cluster: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = [*AXES, *COMMON, *SHARDS, *CLUSTER, "output_root=slurm"]
    driver = subprocess.Popen(
        [*XTRANSPLANT, "run", "-m", "hydra/launcher=slurm", *sweep],
        env=cluster,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    cancelled = wait_until(lambda: jobs_in_state(cluster, "PENDING"))[-1]
    asked(cluster, "scancel", cancelled)
    killed = strike(tmp_path, signal.SIGKILL, spared=[])
    # As Slurm does before it takes the node away: submitit queues the job again.
    preempted = strike(tmp_path, signal.SIGUSR2, spared=[killed])
    running = wait_until(lambda: {*jobs_in_state(cluster, "RUNNING")} - {killed, preempted})
    asked(cluster, "scontrol", "requeue", min(running))
    out, err = driver.communicate(timeout=480)
    assert driver.returncode == 1, err
    rows = [line.split() for line in out.splitlines() if "shard.index=" in line]
    lost = [row for row in rows if row[3] == "failed"]
    assert (len(rows), len(lost)) == (N_JOBS, 2), out
    assert all("ended without a result" in " ".join(row) for row in lost)
    assert err.splitlines()[-1].startswith(f"error: 2 of {N_JOBS} jobs failed")

    logs = Path("slurm/.sweeps").rglob("*_log.err")
    told = [log.name for log in logs if "this job is preempted" in log.read_text()]
    assert told == [f"{preempted}_0_log.err"]

    start = time.monotonic()
    sent = asked(cluster, *XTRANSPLANT, "submit", *sweep)
    assert sum("sent" in line.split() for line in sent) == N_JOBS
    print(f"submit took {time.monotonic() - start:.1f} s")
    wait_until(lambda: not jobs_in_state(cluster, "PENDING,RUNNING,COMPLETING"))
    status = json.loads("\n".join(asked(cluster, *XTRANSPLANT, "status", "slurm", "--json")))
    assert [(run["status"], run["parts_done"], run["parts"]) for run in status] == [
        ("done", 3, 3)
    ] * 12
    one_process(tmp_path / "alone")
    assert_same(tmp_path / "slurm", tmp_path / "alone")
