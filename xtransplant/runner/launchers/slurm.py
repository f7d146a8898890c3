"""Jobs of a sweep on Slurm, submitted as one array."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from shutil import which
from typing import Any

from hydra.core.utils import JobReturn

from xtransplant.errors import ConfigError
from xtransplant.runner.job import Outcome
from xtransplant.runner.launchers.jobs import Call, Jobs, end, log_path, returned
from xtransplant.terminal import Console

SHARED = frozenset(
    {"name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout"}
)
"""Parameters that have the same name for every scheduler in submitit."""


SECONDS_BETWEEN_QUEUES = 30.0
"""Minimum time between two calls of squeue, each of which is for all jobs."""


class SlurmLauncher(Jobs):
    """Submits all jobs as one array; waits for them if `wait` is true."""

    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Submit the jobs; return their outcomes, or "sent" without waiting for them."""
        if which("srun") is None:
            raise ConfigError(
                "hydra/launcher=slurm needs Slurm, and there is no srun on the PATH; sweep where "
                "Slurm is, or on this machine: xtransplant run -m hydra/launcher=local"
            )
        import submitit

        parameters = {name: value for name, value in self.parameters.items() if value is not None}
        wait, retries = parameters.pop("wait"), parameters.pop("max_num_timeout")
        if "gpus_per_job" in parameters:
            parameters["gpus_per_node"] = parameters.pop("gpus_per_job")
        logs = self.folder / "%A"
        executor = submitit.AutoExecutor(logs, cluster="slurm", slurm_max_num_timeout=retries)
        executor.update_parameters(
            **{
                name if name in SHARED else f"slurm_{name}": value
                for name, value in parameters.items()
            }
        )
        jobs = executor.map_array(self, *zip(*calls, strict=True))
        if wait:
            _wait(jobs)
            return [end(call, job) for call, job in zip(calls, jobs, strict=True)]
        return [
            returned(
                call, Outcome(tuple(call[0]), 0, f"job {job.job_id}, log {log_path(job)}", "sent")
            )
            for call, job in zip(calls, jobs, strict=True)
        ]


def _wait(jobs: Sequence[Any]) -> None:
    """Wait until every job has a result or has left Slurm's queue.

    Accounting (sacct) is not used, because not every cluster has it.
    """
    console = Console()
    waiting = {job.job_id: job for job in jobs}
    absent: set[str] = set()
    looked = time.monotonic()
    while waiting:
        time.sleep(1)
        ended = {name for name, job in waiting.items() if job.paths.result_pickle.exists()}
        if time.monotonic() - looked > SECONDS_BETWEEN_QUEUES:
            looked = time.monotonic()
            queue = _queue()
            gone = set() if queue is None else waiting.keys() - queue
            ended |= gone & absent  # absent twice: on network disks, a result can come late
            absent = gone
        for name in sorted(ended):
            del waiting[name]
            console.info(f"job {name} ended; {len(jobs) - len(waiting)} of {len(jobs)}")


def _queue() -> set[str] | None:
    """Return the ids of this user's waiting and running jobs; None if squeue fails."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if asked.returncode else set(asked.stdout.split())
