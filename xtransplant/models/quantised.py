"""Quantised checkpoints: checks before their weights are fetched.

transformers reads them, and knows which packages each kind of quantisation needs.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers.quantizers.auto import AutoHfQuantizer

from xtransplant.models.hf_errors import one_line_errors


def require_quantiser(config: Any, id: str, device: torch.device) -> None:
    """Check that a checkpoint, if it is quantised, can be read here.

    Raises:
        ModelError: an unknown kind of quantisation, a missing package, or a device on which this
            kind does not run.
    """
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return
    with one_line_errors(id):
        quantiser: Any = AutoHfQuantizer.from_config(settings, pre_quantized=True)
        quantiser.validate_environment(device_map={"": str(device)})
    # It would warn at each matrix product that float32 is rounded to 8 bits.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
