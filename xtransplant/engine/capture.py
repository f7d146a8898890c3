"""The source pass: one forward pass over the source prompts gives the activation of every layer.

Shape suffixes: B prompts, L layers, D model width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256

import torch
from torch import nn

from xtransplant.engine.options import Tokens
from xtransplant.engine.passes import in_halves, passes, read
from xtransplant.errors import NumericsError
from xtransplant.models.architecture import WRITTEN
from xtransplant.models.dtypes import on_overflow
from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import Cell, ModuleType


class _Enough(Exception):
    """All requested layers have run, so the pass is stopped."""


class _LastTokens:
    """Outputs or inputs of one module per layer at the last token: [B, D] per layer."""

    def __init__(self, parts: Sequence[nn.Module | None], n_prompts: int) -> None:
        self._parts = parts
        self._n_prompts = n_prompts
        self._states: dict[int, torch.Tensor] = {}

    def hooks(self) -> list[tuple[nn.Module, Hook]]:
        return [(p, self._keep(layer)) for layer, p in enumerate(self._parts) if p is not None]

    def _keep(self, layer: int) -> Hook:
        def keep(hidden: torch.Tensor) -> None:
            # Some modules get the tokens of all prompts in one dimension: [B * P, D].
            hidden_BPD = hidden.reshape(self._n_prompts, -1, hidden.shape[-1])
            self._states[layer] = hidden_BPD[:, -1].clone()

        return keep

    def stack(self) -> torch.Tensor:
        nothing = torch.zeros_like(next(iter(self._states.values())))
        states = [self._states.get(layer, nothing) for layer, _ in enumerate(self._parts)]
        return torch.stack([state.to(nothing.device) for state in states], 1)


@torch.inference_mode()
def capture(
    model: Model,
    prompts: Sequence[Tokens],
    modules: Iterable[ModuleType],
    n_layers: int,
    names: Sequence[str],
) -> dict[ModuleType, torch.Tensor]:
    """Run each prompt once and return each module's activations at the last token.

    Args:
        model: any supported model.
        prompts: token ids of each prompt.
        modules: modules to capture.
        n_layers: number L of layers to capture, from the first.
        names: name of each prompt in messages.

    Returns:
        The activations of each module, [B, L, D], on the model's device and in its dtype; zeros
        where a layer has no such module. Those of `attn_mlp` are [B, L, 2, D]: attention, then
        feed-forward.

    Raises:
        NumericsError: an activation is NaN or infinite; the message names prompt and layer.
    """
    wanted = list(modules)
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    in_order = [prompts[number] for number in order]
    found = [
        acts
        for part in passes(model, in_order)
        for _, acts in in_halves(
            lambda together: _capture_pass(model, together, wanted, n_layers), in_order[part]
        )
    ]
    back = torch.tensor(order, device=model.device).argsort()
    acts = {module: torch.cat([part[module] for part in found])[back] for module in wanted}
    for module, acts_BLD in acts.items():
        _require_finite(module, acts_BLD, names)
    return acts


def _capture_pass(
    model: Model, prompts: Sequence[Tokens], modules: Sequence[ModuleType], n_layers: int
) -> dict[ModuleType, torch.Tensor]:
    n_prompts = len(prompts)
    entering = _LastTokens(model.layers[:n_layers], n_prompts)
    leaving = {
        name: _LastTokens(getattr(model, name)[:n_layers], n_prompts)
        for module in modules
        for name in WRITTEN[module]
    }
    on_output = [pair for kept in leaving.values() for pair in kept.hooks()]
    if n_layers < model.n_layers:
        on_output.append((model.layers[n_layers - 1], _stop))
    with hooks(on_input=entering.hooks(), on_output=on_output), suppress(_Enough):
        read(model, prompts)
    states = {name: kept.stack() for name, kept in leaving.items()}
    acts = {module: _together([states[name] for name in WRITTEN[module]]) for module in modules}
    if ModuleType.ATTN_RESIDUAL in acts:
        acts[ModuleType.ATTN_RESIDUAL] = acts[ModuleType.ATTN_RESIDUAL] + entering.stack()
    return acts


def _together(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the states of one module, [B, L, D]; of M written together, [B, L, M, D]."""
    return parts[0] if len(parts) == 1 else torch.stack(list(parts), -2)


def _stop(_hidden: torch.Tensor) -> None:
    raise _Enough


def noise_like(acts_LD: torch.Tensor, seed: int) -> torch.Tensor:
    """Return Gaussian noise with the norm of each layer's activation, [L, D] or [L, M, D].

    The noise is the same on every device. The noise of a layer depends only on the seed and the
    layer, not on the number of layers.
    """
    noise_LD = torch.stack(
        [
            torch.randn(acts_LD.shape[1:], generator=torch.Generator().manual_seed(seed + layer))
            for layer in range(len(acts_LD))
        ]
    )
    norms_L1 = acts_LD.float().norm(dim=-1, keepdim=True).cpu()
    matched_LD: torch.Tensor = noise_LD * (norms_L1 / noise_LD.norm(dim=-1, keepdim=True))
    return matched_LD.to(acts_LD)


def random_direction(like: torch.Tensor, seed: int, cell: Cell) -> torch.Tensor:
    """Return a random direction of the shape [..., D] of a tensor, of length 1 along D.

    It is the same on every device and in every grid: it depends only on the seed and the cell.
    """
    name = f"{seed}\0{cell.source_layer}\0{cell.target_layer}".encode()
    generator = torch.Generator().manual_seed(int.from_bytes(sha256(name).digest()[:8], "big") >> 1)
    drawn = torch.randn(like.shape, generator=generator)
    direction: torch.Tensor = drawn / drawn.norm(dim=-1, keepdim=True)
    return direction.to(like)


def _require_finite(module: ModuleType, acts_BLD: torch.Tensor, names: Sequence[str]) -> None:
    finite_BL = acts_BLD.isfinite().flatten(2).all(-1)
    if not finite_BL.all():
        prompt, layer = (~finite_BL).nonzero()[0].tolist()
        raise NumericsError(
            f"{names[prompt]}: NaN or infinite {module} activation leaving layer {layer}; "
            f"{on_overflow(acts_BLD.dtype)}"
        )
