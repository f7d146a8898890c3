"""One-line errors for failures of the machine: exhausted memory, failed devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from xtransplant.errors import MachineError, XtransplantError
from xtransplant.models.machine import OUT_OF_MEMORY, machine_problem


@contextmanager
def machine_failures(
    work: str,
    kept: str = "; finished parts are kept",
    advice: str = "lower rows_per_batch and run the same command again",
) -> Iterator[None]:
    """Raise one-line errors for failures of the machine in this block.

    Args:
        work: name of the work, such as "language fr, block 3".
        kept: end of the message, which says what need not be done again.
        advice: remedy if memory ran out.

    Raises:
        MachineError: the host or the device ran out of memory, or the device failed.
    """
    try:
        yield
    except XtransplantError:
        raise
    except Exception as error:
        problem = machine_problem(error)
        if problem is None:
            raise
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        remedy = advice if problem == OUT_OF_MEMORY else "run the same command again"
        raise MachineError(f"{problem} at {work}: {line}; {remedy}{kept}") from error
