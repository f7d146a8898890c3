"""One job: a run or its plan, alone or as one of a sweep.

Imports are made when a job runs: torch takes seconds, and a finished run does not need it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xtransplant.errors import XtransplantError
from xtransplant.terminal import Console

if TYPE_CHECKING:
    from xtransplant.config.schema import RunConfig


@dataclass(frozen=True)
class Outcome:
    """How a job of a sweep ended.

    Attributes:
        overrides: overrides of the job.
        status: exit status.
        reason: cause of a failure, or where the job was sent, in one line.
        state: "sent" if the sweep did not wait for the end of the job.
    """

    overrides: tuple[str, ...]
    status: int = 0
    reason: str = ""
    state: Literal["done", "failed", "sent"] = "done"


def do(config: RunConfig, console: Console) -> None:
    """Do a run, or show its plan; with a valid receipt, only the results are shown."""
    if config.dry_run:
        from xtransplant.runner.dry_run import show

        show(config, console)
        return
    from xtransplant.runner.results import show_results
    from xtransplant.store.receipts import find_receipt

    if receipt := find_receipt(config):
        for remark in receipt.remarks:
            console.info(remark)
        console.info(f"{receipt.n_parts} of {receipt.n_parts} parts are done already")
        show_results(receipt, console, given=config.grid.file is not None)
        return
    from xtransplant.runner.stopping import require_none, stopping

    with stopping():
        from xtransplant.runner.run import run  # imports torch for seconds; a signal can come

        require_none()
        run(config, console)


def do_one_of_many(compose: Callable[[], RunConfig], overrides: Sequence[str]) -> Outcome:
    """Do one job of a sweep and return how it ended, so that the others run if it fails."""
    console, name = Console(), " ".join(["run", *overrides])
    console.info(name)
    try:
        do(compose(), console)
    except XtransplantError as error:
        console.error(f"{error} (in {name})")
        return failed(overrides, str(error), error.exit_status)
    except Exception as error:  # nor does a defect of this package end the other jobs
        traceback.print_exc()
        return failed(overrides, f"{type(error).__name__}: {error}")
    return Outcome(tuple(overrides))


def failed(overrides: Sequence[str], reason: str, status: int = 1) -> Outcome:
    """Return the outcome of a job that failed."""
    return Outcome(tuple(overrides), status, " ".join(reason.split()), "failed")
