"""Classes by which Hydra finds our launchers: it looks for plugins only in this folder.

Their code is in `xtransplant.runner.launchers`.
"""

from xtransplant.runner.launchers import local, ray, slurm


class LocalLauncher(local.LocalLauncher):
    """`hydra/launcher=local`."""


class RayLauncher(ray.RayLauncher):
    """`hydra/launcher=ray`."""


class SlurmLauncher(slurm.SlurmLauncher):
    """`hydra/launcher=slurm`."""
