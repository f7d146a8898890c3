"""A checkpoint opened, probed and compared with the engine, before anything is computed with it."""

from __future__ import annotations

import logging
from typing import Unpack

from xtransplant.engine.agreement import require_agreement
from xtransplant.engine.model_cache import state_bytes
from xtransplant.models.families import Model
from xtransplant.models.loading import LoadOptions, open_model
from xtransplant.models.probe import verify
from xtransplant.progress import OnStep, silent

LOG = logging.getLogger(__name__)


def load_model(id: str, *, on_step: OnStep = silent, **options: Unpack[LoadOptions]) -> Model:
    """Load a language model and check that its layers are where they should be.

    Args:
        id: Hugging Face id, local folder, GGUF file, or path inside `distribution`.
        on_step: told of progress while files are fetched or converted.
        **options: how it is loaded, such as dtype="bfloat16"; see `models.loading.LoadOptions`.

    Returns:
        The model in evaluation mode, without gradients, decoding greedily.

    Raises:
        ModelError: a checkpoint that cannot be found, read or understood.
    """
    model = open_model(id, on_step=on_step, **options)
    require_agreement(model, verify(model))
    if model.own_attention:
        LOG.warning("%s: attention is in code of its own, so rows read copies of the prefix", id)
    if state_bytes(model):
        LOG.warning("%s: layers have recurrent states, of which each row keeps a copy", id)
    return model
