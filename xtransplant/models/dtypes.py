"""Number types (dtypes) of a model's weights and matrix products."""

from __future__ import annotations

import torch

from xtransplant.config import schema
from xtransplant.errors import ModelError, unknown
from xtransplant.registry import handlers

TORCH_DTYPES = handlers(
    "model.dtype",
    schema.DTYPES,
    {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "tf32": torch.float32,
    },
)
"""Types of the weights by `model.dtype`."""


def precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type of the weights, and set whether float32 products run in TF32.

    The setting applies to the whole process, so the last loaded model determines it.

    Raises:
        ModelError: the dtype is unknown, or the device does not support it.
    """
    if name not in TORCH_DTYPES:
        raise ModelError(unknown("dtype", str(name), TORCH_DTYPES))
    if name == "tf32" and device.type != "cuda":
        raise ModelError(f"dtype 'tf32' on {device}; it needs a GPU; nearest match: float32")
    # Set for every dtype, because some containers enable TF32 by an environment variable.
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = name == "tf32"  # for convolutions of state-space layers
    return TORCH_DTYPES[name]


def on_overflow(dtype: torch.dtype) -> str:
    """Return what to do where a model's numbers became NaN or infinite in a type."""
    if dtype == torch.float32:
        return "float32 holds no larger numbers, so take another checkpoint"
    return "set model.dtype=float32"
