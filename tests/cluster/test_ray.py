"""A sweep on a Ray of one node, with a worker killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sweep_runs import AXES, COMMON, N_JOBS, SHARDS, assert_same, environment, one_process

pytestmark = pytest.mark.ray

RAY = ["hydra/launcher=ray", "hydra.launcher.gpus_per_job=0", "hydra.launcher.cpus_per_job=1"]
RAY += ["+hydra.launcher.init.num_cpus=2", "+hydra.launcher.init.include_dashboard=false"]


def test_a_sweep_whose_worker_is_killed_is_finished_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "xtransplant", "run", "-m", *RAY]
    with Path("driver.log").open("w") as log:
        driver = subprocess.Popen(
            [*command, *AXES, *COMMON, *SHARDS, "output_root=ray"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        while not (leases := list(Path("ray").rglob(".leases/[!.]*"))):
            assert driver.poll() is None, Path("driver.log").read_text()
            time.sleep(0.05)
        os.kill(json.loads(leases[0].read_text())["pid"], signal.SIGKILL)
        out, _ = driver.communicate(timeout=480)
    assert driver.returncode == 0, Path("driver.log").read_text()
    rows = [line.split() for line in out.splitlines() if "shard.index=" in line]
    assert [row[3] for row in rows if len(row) > 3] == ["done"] * N_JOBS
    one_process(tmp_path / "alone")
    assert_same(tmp_path / "ray", tmp_path / "alone")
