"""Jobs of a sweep on this machine, each with its own GPUs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn

from xtransplant.errors import ConfigError
from xtransplant.runner.launchers.jobs import Call, Jobs, end

SECONDS_AFTER_CTRL_C = 2.0


SECONDS_AFTER_CANCEL = 10.0
"""Time for jobs to end before submitit kills them."""


MINUTES_WITHOUT_END = 60 * 24 * 365
"""submitit requires a time limit; this one is a year."""


class LocalLauncher(Jobs):
    """Does `n_jobs` jobs at a time on this machine, each with its own GPUs."""

    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Do the jobs; return their outcomes."""
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
                        ends[number] = end(calls[number], job)
                        shares.append(share)
                        del running[number]
                time.sleep(0.1)
        except BaseException:
            _end_jobs([job for job, _ in running.values()])
            raise
        return [ends[number] for number in range(len(calls))]


def _shares(per_job: int | None, n_jobs: int | None, gpus: Sequence[str]) -> list[str | None]:
    """Return CUDA_VISIBLE_DEVICES for each of the jobs that run at a time; None without GPUs.

    Raises:
        ConfigError: a job needs more GPUs than there are, or a number is too small.
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
    """Redirect the standard error of processes started in this block to a file.

    On Ctrl-C, submitit's helper process of each job would print a traceback.
    """
    if sys.stderr is None:  # closed by the parent process
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
    """End submitit jobs. Ctrl-C has already reached them; other signals have not."""
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
