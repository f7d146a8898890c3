"""One-line errors for failures of the machine: exhausted memory, failed devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from xtransplant.errors import MachineError

DEVICE_SIGNS = ("CUDA error", "CUDA out of memory", "cuDNN error", "CUBLAS_STATUS", "HIP error")
"""Texts of a plain RuntimeError by which failures of the device are recognised."""
HOST_SIGN = "can't allocate memory"


@contextmanager
def machine_failures(work: str, kept: str = "; finished parts are kept") -> Iterator[None]:
    """Raise one-line errors for failures of the machine in this block.

    Args:
        work: name of the work, such as "language fr, block 3".
        kept: end of the message, which says what need not be done again.

    Raises:
        MachineError: the host or the device ran out of memory, or the device failed.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        # torch raises a plain RuntimeError if the host's memory is exhausted.
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or HOST_SIGN in line:
            problem, advice = "out of memory", "lower rows_per_batch and "
        elif isinstance(error, torch.AcceleratorError) or any(s in line for s in DEVICE_SIGNS):
            problem, advice = "the device failed", ""
        else:
            raise
        raise MachineError(
            f"{problem} at {work}: {line}; {advice}run the same command again{kept}"
        ) from error
