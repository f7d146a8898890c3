"""The base class of the launchers: calling a job, and reporting its outcome.

A job that is lost (killed, cancelled, out of memory) has an outcome too, and the others continue.
`xtransplant.runner.job` does a job; `conf/hydra/launcher` has the launchers' settings.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from xtransplant.runner.job import Outcome, failed

Call = tuple[list[str], int, Any]
"""Arguments of a job: its overrides, its number, and the state of Hydra's singletons."""


class Jobs(Launcher):
    """Runs each job in its own process, on this machine or another."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters: dict[str, Any] = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in parameters.items()
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Store the arguments that every job needs."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Do all jobs; return an outcome for each, even if it was lost."""
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
        """Do all jobs; return their outcomes."""

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
        """Return the job that submitit requeues: the same one, because runs resume."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *arguments)


def end(call: Call, job: Any) -> JobReturn:
    """Return the outcome of a finished job of submitit."""
    if not job.paths.result_pickle.exists():
        reason = f"ended without a result, state {job.state}; log {log_path(job)}"
        return returned(call, failed(call[0], reason))
    return result(call, job.result, f"log {log_path(job)}")


def log_path(job: Any) -> Path:
    """Return the path of the log of a submitit job."""
    return Path(os.path.relpath(job.paths.stderr))


def result(call: Call, fetch: Callable[[], JobReturn], where: str) -> JobReturn:
    """Return the result of a job, or a failure if the job was lost."""
    try:
        return fetch()
    except Exception as error:  # a scheduler may raise anything for a lost job
        lines = f"{type(error).__name__}: {error}".strip().splitlines()
        return returned(call, failed(call[0], f"{lines[0]}; {where}"))


def returned(call: Call, outcome: Outcome) -> JobReturn:
    """Return an outcome in the form that Hydra expects from a launcher."""
    to_hydra = JobReturn(overrides=call[0], status=JobStatus.COMPLETED)
    to_hydra.return_value = outcome
    return to_hydra
