"""One job: a run or its plan, alone or in a sweep.

Modules are imported when a job runs: torch takes seconds, and a finished run does not need it.
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
        reason: cause of a failure, or the id and log of a job that was sent, in one line.
        state: "done" or "failed"; "sent" if the sweep did not wait for the end of the job.
    """

    overrides: tuple[str, ...]
    status: int = 0
    reason: str = ""
    state: Literal["done", "failed", "sent"] = "done"


def do(config: RunConfig, console: Console) -> None:
    """Do a run, or show its plan. For a run with a valid receipt, only show the results."""
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
        from xtransplant.runner.run import run  # takes seconds, so a signal can arrive

        require_none()
        run(config, console)


def do_one_of_many(compose: Callable[[], RunConfig], overrides: Sequence[str]) -> Outcome:
    """Do one job of a sweep; return its outcome even if it fails, so that the others run."""
    console, name = Console(), " ".join(["run", *overrides])
    console.info(name)
    try:
        do(compose(), console)
    except XtransplantError as error:
        console.error(f"{error} (in {name})")
        return failed(overrides, str(error), error.exit_status)
    except Exception as error:  # a bug in this package must not end the other jobs
        traceback.print_exc()
        return failed(overrides, f"{type(error).__name__}: {error}")
    return Outcome(tuple(overrides))


def failed(overrides: Sequence[str], reason: str, status: int = 1) -> Outcome:
    """Return the outcome of a job that failed."""
    return Outcome(tuple(overrides), status, " ".join(reason.split()), "failed")
