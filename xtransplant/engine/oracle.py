"""The naive implementation of the method: one `generate` per cell, batch size 1, one hook.

It is slow and simple. `xtransplant check`, `xtransplant bench` and the tests compare the engine
with it. It shares no code with the engine except the loaded model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from xtransplant.models.families import Model
from xtransplant.types import Cell, ModuleType


def transplant_cell(
    model: Model,
    source_ids: Sequence[int],
    target_ids: Sequence[int],
    module: ModuleType,
    cell: Cell,
    max_new_tokens: int,
) -> tuple[int, ...]:
    """Run both prompts for one cell; return the new tokens, including the end-of-sequence token."""
    activation_D = capture_layer(model, source_ids, module, cell.source_layer)
    return generate(model, target_ids, max_new_tokens, module, cell.target_layer, activation_D)


@torch.inference_mode()
def capture_layer(
    model: Model, source_ids: Sequence[int], module: ModuleType, layer: int
) -> torch.Tensor:
    """Run the source prompt; return one module's activation at its last token, [D]."""
    seen: list[torch.Tensor] = []

    def look(_module: Any, _args: Any, output: Any) -> None:
        seen.append(_hidden(output)[0, -1].clone())

    def look_before(_module: Any, args: Any, kwargs: Any) -> None:
        seen.append((args[0] if args else kwargs["hidden_states"])[0, -1].clone())

    handles = [model.module(module, layer).register_forward_hook(look)]
    if module is ModuleType.ATTN_RESIDUAL:
        part = model.layers[layer]
        handles.append(part.register_forward_pre_hook(look_before, with_kwargs=True))
    try:
        model.hf(**model.inputs(source_ids))
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(seen).sum(0)


@torch.inference_mode()
def generate(
    model: Model,
    target_ids: Sequence[int],
    max_new_tokens: int,
    module: ModuleType | None = None,
    layer: int = 0,
    activation_D: torch.Tensor | None = None,
) -> tuple[int, ...]:
    """Continue the target prompt greedily, with an activation written at its last token.

    In an encoder-decoder model, it is written at the last token of the decoder's prompt, or of the
    encoder's for `encoder_block`.
    """
    unwritten: list[Any] = [activation_D]
    ids = torch.tensor([target_ids], device=model.device)

    def write(_module: Any, _args: Any, output: Any) -> Any:
        if not unwritten:  # only the first pass reads a prompt
            return output
        written = _hidden(output).clone()
        written[:, -1] = unwritten.pop()
        if isinstance(output, tuple):
            return (written, *output[1:])
        return written.view_as(output)

    eos = sorted(model.eos_token_ids) or None
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=eos,
        pad_token_id=eos[0] if eos else 0,
    )
    handles = []
    if module is not None:
        handles.append(model.module(module, layer).register_forward_hook(write))
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


def _hidden(output: Any) -> torch.Tensor:
    """Return a module's output as [1, T, D]; OPT's feed-forward output lacks a batch dimension."""
    hidden: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return hidden if hidden.dim() == 3 else hidden[None]
