"""Checks of quantised checkpoints before their weights are fetched.

transformers reads the weights, and knows the packages that each kind of quantisation needs.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers.quantizers.auto import AutoHfQuantizer

from xtransplant.models.hf_errors import one_line_errors


def require_quantiser(config: Any, id: str, device: torch.device) -> None:
    """Check that a checkpoint, if it is quantised, can be read on this machine.

    Raises:
        ModelError: the kind of quantisation is unknown, lacks a package, or does not run on the
            device.
    """
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return
    with one_line_errors(id):
        quantiser: Any = AutoHfQuantizer.from_config(settings, pre_quantized=True)
        quantiser.validate_environment(device_map={"": str(device)})
    # Without this, each matrix product would warn that float32 is rounded to 8 bits.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
