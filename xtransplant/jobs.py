"""One job: a run, or the plan of one; by itself, or as one of a sweep, where the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xtransplant.errors import XtransplantError

if TYPE_CHECKING:
    from xtransplant.config import RunConfig
    from xtransplant.console import Console


def run_job(config: RunConfig, console: Console) -> None:
    """Run what a configuration says, or show its plan where it asks for that."""
    if config.dry_run:
        from xtransplant.dry_run import show

        show(config, console)
    else:
        from xtransplant.runner import run
        from xtransplant.signals import stopping

        with stopping():
            run(config, console)


def sweep_job(config: RunConfig, overrides: str) -> int:
    """Run one job of a sweep; the others still run if it fails, so its status is returned."""
    from xtransplant.console import Console

    console = Console()
    console.info(f"run {overrides}".rstrip())
    try:
        run_job(config, console)
    except XtransplantError as error:
        console.error(f"{error} (in run {overrides})")
        return error.exit_status
    return 0
