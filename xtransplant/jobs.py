"""One job: a run, or the plan of one; by itself, or as one of a sweep, where the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Outcome:
    """How a job of a sweep ended: its exit status, and where that is not 0 the reason."""

    overrides: str
    exit_status: int = 0
    reason: str = ""


def sweep_job(config: RunConfig, overrides: str) -> Outcome:
    """Run one job of a sweep; the others still run if it fails, so its outcome is returned."""
    from xtransplant.console import Console

    console = Console()
    console.info(f"run {overrides}".rstrip())
    try:
        run_job(config, console)
    except XtransplantError as error:
        console.error(f"{error} (in run {overrides})")
        return Outcome(overrides, error.exit_status, str(error))
    return Outcome(overrides)


def sum_up(outcomes: Sequence[Outcome], console: Console) -> int:
    """Show which jobs of a sweep failed and why; return the exit status of all together."""
    failed = [one for one in outcomes if one.exit_status]
    console.info(f"{len(outcomes) - len(failed)} of {len(outcomes)} runs ended well")
    if failed:
        console.table(("failed", "why"), [(one.overrides, one.reason) for one in failed])
    return max((one.exit_status for one in outcomes), default=0)
