"""Quantised checkpoints: what can be known before their weights are fetched.

transformers reads them; which packages it needs for which kind is its own knowledge.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformers.quantizers.auto import AutoHfQuantizer

from xtransplant.models.hf_errors import reading


def require_quantiser(config: Any, id: str, device: torch.device) -> None:
    """Check that a checkpoint, if it is quantised, can be read here.

    Raises:
        ModelError: an unknown kind of quantisation, a package that is missing, a device that will
            not do.
    """
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return
    with reading(id):
        quantiser: Any = AutoHfQuantizer.from_config(settings, pre_quantized=True)
        quantiser.validate_environment(device_map={"": str(device)})
    # It would say for each product of matrices that float32 is rounded to 8 bits.
    logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
