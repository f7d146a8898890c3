"""Which errors mean that the machine gave up, whichever library words them."""

from __future__ import annotations

import errno

import torch

DEVICE_SIGNS = ("CUDA error", "CUDA out of memory", "cuDNN error", "CUBLAS_STATUS", "HIP error")
"""Texts in a plain RuntimeError that mean the device."""
MEMORY_SIGNS = ("can't allocate memory", "Cannot allocate memory", "std::bad_alloc")
"""Texts that mean the host's memory, which libraries wrap in errors of their own."""

OUT_OF_MEMORY = "out of memory"


def machine_problem(error: BaseException) -> str | None:
    """Return what the machine lacks or lost, None if an error is not about the machine."""
    text = str(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return OUT_OF_MEMORY
    if any(sign in text for sign in MEMORY_SIGNS):
        return OUT_OF_MEMORY
    if isinstance(error, torch.AcceleratorError) or any(sign in text for sign in DEVICE_SIGNS):
        return "the device failed"
    return None
