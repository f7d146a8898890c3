"""The source pass: one forward through the source prompt yields the activation of every layer.

Shape suffixes: L layers, D model width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn

from xtransplant.errors import NumericsError
from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType


class _LastTokens:
    """What one kind of module shows at the last token of every layer: [L, D], never [T, D]."""

    def __init__(self, parts: Sequence[nn.Module | None]) -> None:
        self._parts = parts
        self._states: dict[int, torch.Tensor] = {}

    def hooks(self) -> list[tuple[nn.Module, Hook]]:
        return [(p, self._keep(layer)) for layer, p in enumerate(self._parts) if p is not None]

    def _keep(self, layer: int) -> Hook:
        def keep(hidden: torch.Tensor) -> None:
            self._states[layer] = hidden.flatten(0, -2)[-1].clone()

        return keep

    def stack(self) -> torch.Tensor:
        nothing = torch.zeros_like(next(iter(self._states.values())))
        return torch.stack(
            [self._states.get(layer, nothing) for layer, _ in enumerate(self._parts)]
        )


@torch.inference_mode()
def capture(
    model: Model, token_ids: Sequence[int], modules: Iterable[ModuleType]
) -> dict[ModuleType, torch.Tensor]:
    """Run a prompt once and keep each module's activation at its last token.

    Returns:
        For each module a tensor of shape (layers, width), on the model's device, in its dtype;
        zeros where a layer has no such module.

    Raises:
        NumericsError: an activation is NaN or infinite; the message names the layer.
    """
    entering = _LastTokens(model.layers)
    leaving = {module: _LastTokens(model.modules(module)) for module in modules}
    on_output = [pair for kept in leaving.values() for pair in kept.hooks()]
    with hooks(on_input=entering.hooks(), on_output=on_output):
        model.hf(**model.inputs(token_ids), use_cache=False)

    acts = {module: kept.stack() for module, kept in leaving.items()}
    if ModuleType.ATTN_RESIDUAL in acts:
        acts[ModuleType.ATTN_RESIDUAL] = acts[ModuleType.ATTN_RESIDUAL] + entering.stack()
    for module, acts_LD in acts.items():
        _require_finite(module, acts_LD)
    return acts


def _require_finite(module: ModuleType, acts_LD: torch.Tensor) -> None:
    finite_L = acts_LD.isfinite().all(-1)
    if not finite_L.all():
        layer = int((~finite_L).nonzero()[0])
        raise NumericsError(
            f"NaN or infinite {module} activation leaving layer {layer}; "
            "try model.dtype=float32 or another checkpoint"
        )
