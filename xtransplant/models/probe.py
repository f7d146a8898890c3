"""A probe of a model's modules, so that a wrong module fails when the checkpoint is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch.distributed.tensor import DTensor

from xtransplant.errors import ModelError, XtransplantError
from xtransplant.models.architecture import WRITTEN
from xtransplant.models.dtypes import on_overflow
from xtransplant.models.families import Model
from xtransplant.models.hf_errors import error_line
from xtransplant.models.hooks import Hook, hooks
from xtransplant.models.layout_messages import describe
from xtransplant.models.machine import machine_problem
from xtransplant.types import ModuleType

_N_TOKENS = 4

States = Mapping[tuple[ModuleType, int], torch.Tensor]
"""Output of each module of each layer at a prompt's last token, [width]."""


@contextmanager
def probing(model: Model) -> Iterator[None]:
    """Raise a one-line ModelError if the engine cannot run an architecture."""
    try:
        yield
    except XtransplantError:
        raise
    except Exception as error:  # shapes that do not fit, other kinds of caches, and so on
        if machine_problem(error):
            raise
        raise ModelError(
            f"{model.id or 'model'!r}: the engine cannot run this architecture: "
            f"{error_line(error)}; {describe(model.layers[0], None)}"
        ) from error


@torch.inference_mode()
def require_finite_weights(model: Model) -> None:
    """Check that no weight is NaN or infinite, also one that a probe with few tokens never reads.

    Raises:
        ModelError: one is; the message names its tensor.
    """
    for name, weight in model.hf.named_parameters():
        if not weight.is_floating_point() or weight.itemsize < 2 or weight.is_meta:
            continue
        if isinstance(weight, DTensor):  # each process checks the part that it holds
            weight = weight.to_local()
        # A sum needs no memory, and is NaN or infinite if a term is; it may overflow by itself.
        if weight.sum(dtype=torch.float32).isfinite() or weight.isfinite().all():
            continue
        advice = (
            "the checkpoint is damaged; fetch it again"
            if weight.dtype == torch.float32
            else "if they fit in float32, set model.dtype=float32; else the checkpoint is damaged"
        )
        raise ModelError(
            f"{model.id or 'model'!r} has NaN or infinite weights in {name} in {weight.dtype}; "
            f"{advice}"
        )


@torch.inference_mode()
def verify(model: Model) -> States:
    """Check that each module of each layer returns finite hidden states, (1, tokens, width).

    A few tokens are run, through both encoder and decoder if there is an encoder.

    Returns:
        The output of each module of each layer at the last token.

    Raises:
        ModelError: a module does not; the message names the first such module and its layer.
    """
    width = model.text_config.hidden_size
    expected = (1, _N_TOKENS, width)
    problems: dict[tuple[int, ModuleType], str | None] = {}
    states: dict[tuple[ModuleType, int], torch.Tensor] = {}

    def probe(layer: int, module: ModuleType) -> Hook:
        def look(hidden: torch.Tensor) -> None:
            shape = tuple(hidden.shape)
            if shape not in (expected, (_N_TOKENS, width)):
                problems[layer, module] = (
                    f"returns shape {shape}, not {expected}; {_described(model, layer, module)}"
                )
            elif not bool(hidden.isfinite().all()):
                problems[layer, module] = (
                    f"returns NaN or infinite values in {hidden.dtype}; {on_overflow(hidden.dtype)}"
                )
            else:
                problems[layer, module] = None
                states[module, layer] = hidden.reshape(_N_TOKENS, width)[-1].clone()

        return look

    # Each of several modules written together is looked at by itself.
    single = [module for module in model.module_types if len(WRITTEN[module]) == 1]
    probes = [
        (part, probe(layer, module))
        for module in single
        for layer, of_layer in enumerate(model.modules(module))
        for part in of_layer
    ]
    with probing(model), hooks(on_output=probes):
        ids = torch.arange(_N_TOKENS, device=model.device)[None] % model.text_config.vocab_size
        sides = ("input_ids", "decoder_input_ids") if model.decoder_prompt else ("input_ids",)
        model.hf(**dict.fromkeys(sides, ids), use_cache=False)
    for layer in range(max(len(model.layers), len(model.encoder_layers))):
        for module in single:
            parts = model.modules(module)
            if layer >= len(parts) or not parts[layer]:
                continue
            missing = f"is not called in a forward pass; {_described(model, layer, module)}"
            if problem := problems.get((layer, module), missing):
                raise ModelError(f"{model.id or 'model'!r}: layer {layer} {module} {problem}")
    return states


def _described(model: Model, layer: int, module: ModuleType) -> str:
    layers = model.encoder_layers if module is ModuleType.ENCODER_BLOCK else model.layers
    return describe(layers[layer], module)
