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


def is_alive(pid: int) -> bool:
    """Whether it runs, and is no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


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
    victim = wait_until(lambda: holders(tmp_path))[0]
    os.kill(victim, signal.SIGKILL)
    # As Slurm does before it takes the node away: submitit queues the job again.
    preempted = wait_until(lambda: [pid for pid in holders(tmp_path) if is_alive(pid)])[0]
    os.kill(preempted, signal.SIGUSR2)
    again = wait_until(lambda: jobs_in_state(cluster, "RUNNING"))[-1]
    asked(cluster, "scontrol", "requeue", again)
    out, err = driver.communicate(timeout=480)
    assert driver.returncode == 1, err
    rows = [line.split() for line in out.splitlines() if "shard.index=" in line]
    lost = [row for row in rows if row[3] == "failed"]
    assert (len(rows), len(lost)) == (N_JOBS, 2), out
    assert all("ended without a result" in " ".join(row) for row in lost)
    assert err.splitlines()[-1].startswith(f"error: 2 of {N_JOBS} jobs failed")

    logs = [log.read_text() for log in Path("slurm/.sweeps").rglob("*_log.*")]
    assert sum("this job is preempted" in log for log in logs) == 1

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
