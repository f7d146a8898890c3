"""Loading a checkpoint, with the checks that come before any computation."""

from __future__ import annotations

import logging
from typing import Unpack

from xtransplant.engine.agreement import require_agreement
from xtransplant.engine.failures import machine_failures
from xtransplant.engine.model_cache import state_bytes
from xtransplant.models.families import Model
from xtransplant.models.load_options import LoadKeywords, LoadOptions
from xtransplant.models.loading import open_model
from xtransplant.models.probe import require_finite_weights, verify
from xtransplant.progress import OnStep, silent

LESS_MEMORY = (
    "model.dtype=bfloat16 and device_map=auto need less of a device's memory; else take a machine "
    "with more"
)
"""What to do where a checkpoint is too large for a machine."""

LOG = logging.getLogger(__name__)


def load_model(id: str, *, on_step: OnStep = silent, **options: Unpack[LoadKeywords]) -> Model:
    """Load a language model and check that its layers are where they should be.

    Args:
        id: Hugging Face id, local folder, GGUF file, or path inside `distribution`.
        on_step: progress callback while files are fetched or converted.
        **options: fields of `models.load_options.LoadOptions`, such as dtype="bfloat16",
            device="cuda:1", revision="v1.0" or adapter="owner/name".

    Returns:
        The model in evaluation mode, without gradients, decoding greedily.

    Raises:
        ModelError: the checkpoint cannot be found, read or understood.
        MachineError: memory ran out, or the device failed.
        TypeError: an argument is not a field of `LoadOptions`.
    """
    with machine_failures(f"loading {id!r}", kept="", advice=LESS_MEMORY):
        model = open_model(id, LoadOptions(**options), on_step)
        require_finite_weights(model)
        require_agreement(model, verify(model))
    if model.own_attention:
        LOG.warning(
            "%s: the model has its own attention code, so each row reads a copy of the prefix",
            id,
        )
    if state_bytes(model):
        LOG.warning("%s: some layers have recurrent states; each row keeps a copy of them", id)
    return model
