"""A sweep: its jobs, done by any launcher, then a table of their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xtransplant.config.compose import sweep
from xtransplant.errors import RESUME, MachineError, XtransplantError
from xtransplant.runner.job import Outcome, do_one_of_many
from xtransplant.runner.stopping import stopping
from xtransplant.terminal import Console


def run_sweep(overrides: Sequence[str], config_dir: Path | None, console: Console) -> int:
    """Do every job of a sweep; return the exit status, which is the highest of all jobs.

    Raises:
        ConfigError: an override is wrong.
        MachineError: the launcher failed.
    """
    outcomes = _outcomes(overrides, config_dir)
    table(outcomes, console)
    failed = [outcome for outcome in outcomes if outcome.status]
    if failed:
        console.error(f"{len(failed)} of {len(outcomes)} jobs failed; {RESUME}")
    return max(outcome.status for outcome in outcomes)


def table(outcomes: Sequence[Outcome], console: Console) -> None:
    """Show the outcome of each job; jobs are named by the overrides in which they differ."""
    same = set.intersection(*(set(outcome.overrides) for outcome in outcomes))
    rows = [
        (" ".join(o for o in outcome.overrides if o not in same), outcome.state, outcome.reason)
        for outcome in outcomes
    ]
    console.table(("job", "state", "reason"), rows)


def _outcomes(overrides: Sequence[str], config_dir: Path | None) -> list[Outcome]:
    try:
        with stopping():
            return sweep(overrides, do_one_of_many, config_dir)
    except XtransplantError:
        raise
    except Exception as error:  # a launcher's libraries may raise anything
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise MachineError(f"the launcher gave up: {text[:300]}; {RESUME}") from error
