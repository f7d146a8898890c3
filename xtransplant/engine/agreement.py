"""A probe at load: on a few tokens the engine computes what the model computes by itself.

A row for every layer and module writes there; in the same batch the untouched prompt runs.

Shape suffixes: O options, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from xtransplant.engine.capture import capture
from xtransplant.engine.decode import Target, decode
from xtransplant.engine.steps import Row
from xtransplant.errors import ModelError
from xtransplant.models.families import Model, describe
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType

_BLOCKS = (ModuleType.BLOCK, ModuleType.ENCODER_BLOCK)
_N_TOKENS, _N_NEXT = 6, 3


def require_agreement(model: Model) -> None:
    """Check that writes take effect in every layer, and that shared prefixes change nothing.

    Raises:
        ModelError: they do not; the message names layer and module.
    """
    vocabulary = model.text_config.vocab_size
    tokens = [(10 + 7 * k) % vocabulary for k in range(_N_TOKENS + _N_NEXT)]
    prompt, following = tuple(tokens[:_N_TOKENS]), tuple(tokens[_N_TOKENS:])
    writes = _writes(model, prompt)
    _require_effects(model, Target(prompt, tuple((token,) for token in following)), writes)
    # One of each kind, in the middle: the check of all would take as many passes.
    middle = {row.module: row for row in writes if row.layer <= model.n_layers // 2}
    beginnings = tuple(following[: k + 1] for k in range(_N_NEXT))
    _require_same(model, Target(prompt, beginnings), [_untouched(model), *middle.values()])


def _require_effects(model: Model, target: Target, writes: Sequence[Row]) -> None:
    # Leaving a layer, a write cannot but have an effect.
    rows = [_untouched(model), *(row for row in writes if row.module not in _BLOCKS)]
    untouched, *others = (answer.option_logprobs for answer in decode(model, [target], rows, 1))
    for row, logprobs in zip(rows[1:], others, strict=True):
        if logprobs == untouched:
            raise ModelError(
                f"{model.id or 'model'!r}: a write to module {str(row.module)!r} of layer "
                f"{row.layer} has no effect; {describe(model.layers[row.layer], row.module)}"
            )


def _require_same(model: Model, target: Target, rows: Sequence[Row]) -> None:
    """Compare with plain passes; each option of the target is a beginning of the last one."""
    for row, answer in zip(rows, decode(model, [target], rows, 1), strict=True):
        found_O = torch.tensor(answer.option_logprobs)
        expected_O = _logprobs(model, target.token_ids, row, target.options[-1]).cumsum(0)
        error = float((found_O - expected_O).abs().mean())
        if not error <= _tolerance(model.hf):
            what = f"a write to {row.module}" if row.module else "no write"
            raise ModelError(
                f"{model.id or 'model'!r}: the engine's log-probabilities differ by {error:.2g} "
                f"from the model's own, with {what}; this architecture is not supported"
            )


def _untouched(model: Model) -> Row:
    return Row(model.n_layers)


def _writes(model: Model, prompt: Sequence[int]) -> list[Row]:
    """Rows that write what is as large as the residual stream, and unlike what is there."""
    # What attn_residual writes is written as attn's.
    probed = [module for module in model.module_types if module is not ModuleType.ATTN_RESIDUAL]
    n_layers = max(len(model.modules(module)) for module in probed)
    acts = capture(model, [tuple(prompt)], probed, n_layers, ["the probe"])
    rows = []
    for module in probed:
        blocks = module if module is ModuleType.ENCODER_BLOCK else ModuleType.BLOCK
        for layer, part in enumerate(model.modules(module)):
            size = acts[blocks][0, layer].float().norm()
            vector_D = acts[module][0, layer].float().flip(0)
            if part is not None and vector_D.any():
                vector_D = vector_D * size / vector_D.norm()
                rows.append(Row(layer, module, vector_D.to(model.hf.dtype)))
    return rows


@torch.inference_mode()
def _logprobs(
    model: Model, prompt: Sequence[int], row: Row, following: Sequence[int]
) -> torch.Tensor:
    """Log-probability of each following token, [O], by a plain pass over all."""
    before = model.decoder_prompt or prompt
    ids = torch.tensor([[*before, *following]], device=model.device)
    inputs = {"input_ids": ids, "logits_to_keep": len(following) + 1}
    if model.decoder_prompt:
        inputs = model.inputs(prompt) | {"decoder_input_ids": ids}
    written = prompt if row.module is ModuleType.ENCODER_BLOCK else before
    with hooks(on_output=_write(model, row, len(written) - 1)):
        out = model.hf(**inputs, use_cache=False)
    logits: torch.Tensor = out.logits[0, -len(following) - 1 : -1]
    chosen = ids[0, len(before) :, None].to(logits.device)
    return logits.float().log_softmax(-1).gather(-1, chosen)[:, 0].cpu()


def _write(model: Model, row: Row, place: int) -> list[tuple[nn.Module, Hook]]:
    vector_D = row.vector
    if row.module is None or vector_D is None:
        return []

    def hook(hidden: torch.Tensor) -> torch.Tensor:
        written = hidden.clone()
        written.view(-1, written.shape[-1])[place] = vector_D
        return written

    return [(model.module(row.module, row.layer), hook)]


def _tolerance(hf: Any) -> float:
    """Sums round differently in another batch shape; half precision moves choices of experts.

    Checkpoints in 8 bits round activations to 8 bits too, whatever their dtype is.
    """
    exact = hf.dtype == torch.float32 and not getattr(hf, "is_loaded_in_8bit", False)
    return 1e-2 if exact else 1.0
