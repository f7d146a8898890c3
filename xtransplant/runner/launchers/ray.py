"""Jobs of a sweep on Ray."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec

from hydra.core.utils import JobReturn

from xtransplant.errors import ConfigError
from xtransplant.runner.launchers.jobs import Call, Jobs, result


class RayLauncher(Jobs):
    """Does the jobs as Ray tasks; Ray repeats a task whose worker was lost."""

    def ends(self, calls: Sequence[Call]) -> list[JobReturn]:
        """Do the jobs; return their outcomes."""
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
                result(call, partial(ray.get, sent), "see Ray's dashboard or its logs")
                for call, sent in zip(calls, tasks, strict=True)
            ]
        finally:
            ray.shutdown()
