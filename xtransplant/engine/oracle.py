"""The naive implementation of the method: one `generate` per cell, batch size 1, one hook.

It is slow and simple. `xtransplant check`, `xtransplant bench` and the tests compare the engine
with it. It shares no code with the engine except the loaded model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.nn.functional import normalize
from transformers import GenerationConfig

from xtransplant.config.intervention import TRANSPLANT, Intervention
from xtransplant.models.families import Model
from xtransplant.types import Cell, ModuleType


@dataclass(frozen=True, eq=False)
class Write:
    """What is written where.

    Attributes:
        module: module that is written.
        layer: target layer.
        vector: the vector, [D]; of `attn_mlp` [2, D], attention and feed-forward.
        intervention: how it is put there, and in which passes.
        direction: of the control `displacement`, unit vectors of the same shape: the output moves
            along them, as far as it would have moved otherwise.
    """

    module: ModuleType
    layer: int
    vector: torch.Tensor
    intervention: Intervention = TRANSPLANT
    direction: torch.Tensor | None = None

    def after(self, met_D: torch.Tensor, place: int) -> torch.Tensor:
        """Return what one of the layer's modules gives out, from what it would have given out."""
        how, vector_D = self.intervention, self.vector.view(-1, len(met_D))[place]
        if how.norm == "match":
            vector_D = normalize(vector_D, dim=0) * met_D.norm()
        if self.direction is not None:
            unit_D = self.direction.view(-1, len(met_D))[place]
            moved_D: torch.Tensor = met_D + (vector_D - met_D).norm() * unit_D
            return moved_D
        if how.op == "replace":
            return vector_D
        if how.op == "add":
            return met_D + how.alpha * vector_D
        return how.alpha * vector_D + (1 - how.alpha) * met_D


def transplant_cell(
    model: Model,
    source_ids: Sequence[int],
    target_ids: Sequence[int],
    module: ModuleType,
    cell: Cell,
    max_new_tokens: int,
    intervention: Intervention = TRANSPLANT,
) -> tuple[int, ...]:
    """Run both prompts for one cell; return the new tokens, the end-of-sequence token included."""
    activation = capture_layer(model, source_ids, module, cell.source_layer)
    write = Write(module, cell.target_layer, activation, intervention)
    return generate(model, target_ids, max_new_tokens, write)


@torch.inference_mode()
def capture_layer(
    model: Model, source_ids: Sequence[int], module: ModuleType, layer: int
) -> torch.Tensor:
    """Run the source prompt; return the activation of one layer's module at its last token.

    It is [D]; of `attn_mlp` [2, D], attention and feed-forward.
    """
    parts = model.written(module, layer)
    seen: dict[int, torch.Tensor] = {}

    def look(place: int, _module: Any, _args: Any, output: Any) -> None:
        seen[place] = _hidden(output)[0, -1].clone()

    def look_before(_module: Any, args: Any, kwargs: Any) -> None:
        seen[-1] = (args[0] if args else kwargs["hidden_states"])[0, -1].clone()

    handles = [part.register_forward_hook(partial(look, place)) for place, part in enumerate(parts)]
    if module is ModuleType.ATTN_RESIDUAL:
        handles.append(model.layers[layer].register_forward_pre_hook(look_before, with_kwargs=True))
    try:
        model.hf(**model.inputs(source_ids))
    finally:
        for handle in handles:
            handle.remove()
    if module is ModuleType.ATTN_RESIDUAL:
        return seen[0] + seen[-1]
    return seen[0] if len(parts) == 1 else torch.stack([seen[0], seen[1]])


def mean_activation(
    model: Model, prompts: Sequence[Sequence[int]], module: ModuleType, layer: int
) -> torch.Tensor:
    """Run each prompt; return the mean of one layer's activations at the last tokens, float64."""
    activations = [capture_layer(model, ids, module, layer).double() for ids in prompts]
    return torch.stack(activations).mean(0)


@torch.inference_mode()
def generate(
    model: Model, target_ids: Sequence[int], max_new_tokens: int, write: Write | None = None
) -> tuple[int, ...]:
    """Continue the target prompt greedily, with a vector written at its last token.

    In an encoder-decoder model it is written at the last token of the decoder's prompt, or for
    `encoder_block` of the encoder's. With `steps=every` it is written at each new token too.
    """
    ids = torch.tensor([target_ids], device=model.device)
    eos = sorted(model.eos_token_ids) or None
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=eos,
        pad_token_id=eos[0] if eos else 0,
    )
    handles = []
    if write is not None:
        handles = [
            part.register_forward_hook(_writing(write, place))
            for place, part in enumerate(model.written(write.module, write.layer))
        ]
    answer_of = ids
    arguments = {"attention_mask": torch.ones_like(ids)}
    if model.decoder_prompt:
        answer_of = torch.tensor([model.decoder_prompt], device=model.device)
        arguments["decoder_input_ids"] = answer_of
    try:
        out = model.hf.generate(ids, **arguments, generation_config=config)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(out[0, answer_of.shape[1] :].tolist())


def _writing(write: Write, place: int) -> Callable[[Any, Any, Any], Any]:
    """Return a hook that writes at the last token of each pass, or of the first pass alone."""
    n_passes = 0

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        nonlocal n_passes
        n_passes += 1
        if n_passes > 1 and write.intervention.steps == "first":
            return output
        written = _hidden(output).clone()
        written[0, -1] = write.after(written[0, -1], place)
        if isinstance(output, tuple):
            return (written, *output[1:])
        return written.view_as(output)

    return hook


@torch.inference_mode()
def sample(
    model: Model,
    target_ids: Sequence[int],
    max_new_tokens: int,
    *,
    seed: int,
    cell: Cell,
    temperature: float = 1.0,
) -> tuple[int, ...]:
    """Continue the untouched target prompt with drawn tokens, one whole forward pass for each.

    The uniform number of step s of the try that a cell i,j numbers is made of the first 13
    hexadecimal digits of the SHA-256 of "SEED i,j s". The token is the first one whose cumulative
    probability exceeds it.
    """
    new: list[int] = []
    for step in range(max_new_tokens):
        if model.decoder_prompt:
            encoder, decoder = [*target_ids], [*model.decoder_prompt, *new]
            ids = {
                "input_ids": torch.tensor([encoder]),
                "decoder_input_ids": torch.tensor([decoder]),
            }
        else:
            ids = {"input_ids": torch.tensor([[*target_ids, *new]])}
        logits_V = model.hf(**{k: v.to(model.device) for k, v in ids.items()}).logits[0, -1]
        probabilities_V = (logits_V.double().cpu() / temperature).softmax(-1)
        text = f"{seed} {cell.source_layer},{cell.target_layer} {step}"
        uniform = int(hashlib.sha256(text.encode()).hexdigest()[:13], 16) / 16**13
        new.append(int((probabilities_V.cumsum(-1) <= uniform).sum()))
        if new[-1] in model.eos_token_ids:
            break
    return tuple(new)


def _hidden(output: Any) -> torch.Tensor:
    """Return a module's output as [1, T, D]; OPT's feed-forward output lacks a batch dimension."""
    hidden: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return hidden if hidden.dim() == 3 else hidden[None]
