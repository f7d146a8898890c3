"""Hydra's launchers for Slurm, for one machine and for Ray; Hydra finds them by this folder's name.

A job that is lost (killed, cancelled, out of memory) is an outcome like any other: the rest goes
on. What a job does is `xtransplant.runner.job`; how its key is called, `conf/hydra/launcher`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from xtransplant.errors import ConfigError
from xtransplant.runner.job import Outcome, failed
from xtransplant.terminal import Console

Call = tuple[list[str], int, Any]
"""What a job is called with: its overrides, its number, the state of Hydra's singletons."""

SHARED = frozenset(
    {"name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout"}
)
"""Parameters that submitit names alike for every scheduler."""
SECONDS_BETWEEN_QUEUES = 30.0
"""Slurm is asked no oftener, with one question for all jobs."""
SECONDS_AFTER_CTRL_C, SECONDS_AFTER_CANCEL = 2.0, 10.0
"""How long jobs of this machine have to end; submitit kills after a second what does not obey."""
MINUTES_WITHOUT_END = 60 * 24 * 365
"""submitit wants a limit; on one's own machine there is none."""


class Jobs(Launcher):
    """Runs each job in a process of its own, wherever that is."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters: dict[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in parameters.items()
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what every job needs."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do all jobs; whatever happens to one of them, there is an outcome of it."""
        self.folder = Path(str(self.config.hydra.sweep.dir)).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        state = Singleton.get_state()
        calls = [
            (list(overrides), initial_job_idx + place, state)
            for place, overrides in enumerate(job_overrides)
        ]
        return self.ends(calls)

    @abstractmethod
    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Do all jobs."""

    def __call__(self, overrides: list[str], number: int, state: Any) -> JobReturn:
        """Do one job, in its own process."""
        Singleton.set_state(state)
        setup_globals()
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.num, config.hydra.job.id = number, str(number)
        return run_job(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )

    def checkpoint(self, *arguments: Any) -> Any:
        """Say how submitit requeues a job: with the same arguments, since a run goes on."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


class SlurmLauncher(Jobs):
    """Sends all jobs as one array; waits for their ends where `wait` is true."""

    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Send the jobs, and return how they ended, or that they were sent."""
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
            return [_end(call, job) for call, job in zip(calls, jobs, strict=True)]
        return [
            _returned(
                call, Outcome(tuple(call[0]), 0, f"job {job.job_id}, log {_log(job)}", "sent")
            )
            for call, job in zip(calls, jobs, strict=True)
        ]


class LocalLauncher(Jobs):
    """Does `n_jobs` at once on this machine, each with GPUs of its own."""

    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Do the jobs, and return how they ended."""
        import submitit

        shares = _shares(self.parameters["gpus_per_job"], self.parameters["n_jobs"], _gpus())
        executor = submitit.LocalExecutor(self.folder / "%j")
        executor.update_parameters(timeout_min=MINUTES_WITHOUT_END)
        ends: dict[int, JobReturn] = {}
        running: dict[int, tuple[Any, str | None]] = {}
        waiting = list(enumerate(calls))
        try:
            while waiting or running:
                while waiting and shares:
                    number, call = waiting.pop(0)
                    share = shares.pop(0)
                    with _errors_to(self.folder / "submitit.log"):
                        running[number] = executor.submit(_with_gpus, share, self, call), share
                for number, (job, share) in list(running.items()):
                    if job.done():
                        ends[number] = _end(calls[number], job)
                        shares.append(share)
                        del running[number]
                time.sleep(0.1)
        except BaseException:
            _end_jobs([job for job, _ in running.values()])
            raise
        return [ends[number] for number in range(len(calls))]


class RayLauncher(Jobs):
    """Does the jobs as tasks of Ray, which does one again whose worker was lost."""

    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Do the jobs, and return how they ended."""
        if find_spec("ray") is None:
            raise ConfigError("hydra/launcher=ray needs the package ray: pip install ray")
        import ray

        memory = self.parameters["mem_gb"]
        ray.init(**self.parameters["init"])
        try:

            def job(call: Call) -> JobReturn:
                return self(*call)

            task = ray.remote(job).options(
                num_gpus=self.parameters["gpus_per_job"],
                num_cpus=self.parameters["cpus_per_job"],
                memory=memory and memory * 2**30,
                max_retries=self.parameters["max_retries"],
            )
            tasks = [task.remote(call) for call in calls]
            return [
                _result(call, partial(ray.get, sent), "see Ray's dashboard or its logs")
                for call, sent in zip(calls, tasks, strict=True)
            ]
        finally:
            ray.shutdown()


def _wait(jobs: Sequence[Any]) -> None:
    """Wait until every job has a result or is out of Slurm's queue.

    Not for what accounting (sacct) says, which not every cluster keeps.
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
            ended |= gone & absent  # twice, since a result takes its time on network disks
            absent = gone
        for name in sorted(ended):
            del waiting[name]
            console.info(f"job {name} ended; {len(jobs) - len(waiting)} of {len(jobs)}")


def _queue() -> set[str] | None:
    """Return the ids of this user's jobs that wait or run; None if Slurm does not answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if asked.returncode else set(asked.stdout.split())


def _shares(per_job: int | None, n_jobs: int | None, gpus: Sequence[str]) -> list[str | None]:
    """Return for each job at a time its GPUs, as CUDA_VISIBLE_DEVICES; None where there are none.

    Raises:
        ConfigError: fewer GPUs than a job is to have, or no job at a time: none would ever start.
    """
    if n_jobs is not None and n_jobs < 1:
        raise ConfigError(f"bad value {n_jobs} for hydra.launcher.n_jobs; allowed: 1 or more")
    if per_job is not None and per_job < 0:
        raise ConfigError(
            f"bad value {per_job} for hydra.launcher.gpus_per_job; allowed: 0 or more"
        )
    if per_job is None:
        per_job = 1 if gpus else 0
    if per_job > len(gpus):
        raise ConfigError(
            f"bad value {per_job} for hydra.launcher.gpus_per_job; this machine shows {len(gpus)}"
        )
    if not per_job:
        return [None if not gpus else ""] * (n_jobs or 1)
    starts = range(0, len(gpus) - per_job + 1, per_job)[:n_jobs]
    return [",".join(gpus[start : start + per_job]) for start in starts]


def _gpus() -> list[str]:
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in visible.split(",") if name.strip()]
    there = sorted(Path("/proc/driver/nvidia/gpus").glob("*"))
    return [str(number) for number in range(len(there))]


@contextmanager
def _errors_to(path: Path) -> Iterator[None]:
    """Lead standard error of processes that begin inside to a file.

    submitit's own process beside each job tells of a Ctrl-C by a traceback.
    """
    if sys.stderr is None:  # closed by whoever started this process
        yield
        return
    kept = os.dup(2)
    try:
        with path.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _end_jobs(jobs: Sequence[Any]) -> None:
    """End jobs of submitit: a Ctrl-C has reached them already, other signals have not."""
    if _all_done(jobs, SECONDS_AFTER_CTRL_C):
        return
    for job in jobs:
        job.cancel(check=False)
    _all_done(jobs, SECONDS_AFTER_CANCEL)


def _all_done(jobs: Sequence[Any], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not all(job.done() for job in jobs):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _with_gpus(share: str | None, job: Jobs, call: Call) -> JobReturn:
    """Do a job with its share of the GPUs; torch is not imported yet."""
    if share is None:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = share
    return job(*call)


def _end(call: Call, job: Any) -> JobReturn:
    """Return how a job of submitit ended, which is over."""
    if not job.paths.result_pickle.exists():
        reason = f"ended without a result, state {job.state}; log {_log(job)}"
        return _returned(call, failed(call[0], reason))
    return _result(call, job.result, f"log {_log(job)}")


def _log(job: Any) -> Path:
    return Path(os.path.relpath(job.paths.stderr))


def _result(call: Call, fetch: Callable[[], JobReturn], where: str) -> JobReturn:
    """Return what a job returned; if it was lost instead, that."""
    try:
        return fetch()
    except Exception as error:  # whatever a scheduler tells of a job that it lost
        lines = f"{type(error).__name__}: {error}".strip().splitlines()
        return _returned(call, failed(call[0], f"{lines[0]}; {where}"))


def _returned(call: Call, outcome: Outcome) -> JobReturn:
    returned = JobReturn(overrides=call[0], status=JobStatus.COMPLETED)
    returned.return_value = outcome
    return returned
