"""A probe at load: on a few tokens the engine computes what the model computes by itself.

A row for every layer and module writes there; in the same batch the untouched prompt runs.

Shape suffixes: O options, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from xtransplant.engine.capture import capture
from xtransplant.engine.decode import Target, decode
from xtransplant.engine.steps import Row
from xtransplant.errors import ModelError
from xtransplant.models.families import Model, describe
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType

_PROBED = (ModuleType.ATTN, ModuleType.MLP, ModuleType.BLOCK)
_N_TOKENS, _N_OPTIONS = 8, 8


@torch.inference_mode()
def require_agreement(model: Model) -> None:
    """Check that writes take effect in every layer, and that shared prefixes change nothing.

    Raises:
        ModelError: they do not; the message names layer and module.
    """
    vocabulary = model.text_config.vocab_size
    tokens = [(10 + 7 * k) % vocabulary for k in range(_N_TOKENS + _N_OPTIONS + 1)]
    prompt, (second, *firsts) = tokens[:_N_TOKENS], tokens[_N_TOKENS:]
    options = tuple((first, second) for first in dict.fromkeys(firsts))
    rows = [Row(model.n_layers), *_writes(model, prompt)]
    answers = decode(model, [Target(tuple(prompt), options)], rows, max_new_tokens=1)
    found = [torch.tensor(answer.option_logprobs) for answer in answers]
    for row, logprobs_O in zip(rows[1:], found[1:], strict=True):
        if torch.equal(logprobs_O, found[0]):
            raise ModelError(
                f"{model.id or 'model'!r}: a write to module {str(row.module)!r} of layer "
                f"{row.layer} has no effect; {describe(model.layers[row.layer], row.module)}"
            )
    # One row of each kind, in the middle; the check of all would take as many passes.
    middle = {row.module: k for k, row in enumerate(rows) if row.layer <= model.n_layers // 2}
    for k in (0, *middle.values()):
        expected_O = torch.tensor([_logprob(model, prompt, rows[k], option) for option in options])
        error = float((found[k] - expected_O).abs().mean())
        if not error <= _tolerance(model.hf.dtype):
            what = f"a write to {rows[k].module}" if k else "no write"
            raise ModelError(
                f"{model.id or 'model'!r}: the engine's log-probabilities differ by {error:.2g} "
                f"from the model's own, with {what}; this architecture is not supported"
            )


def _writes(model: Model, prompt: Sequence[int]) -> list[Row]:
    """Rows that write what is as large as the residual stream, and unlike what is there."""
    acts = capture(model, prompt, _PROBED)
    rows = []
    for module in _PROBED:
        for layer, part in enumerate(model.modules(module)):
            size = acts[ModuleType.BLOCK][layer].float().norm()
            vector_D = acts[module][layer].float().flip(0)
            if part is not None and vector_D.any():
                vector_D = vector_D * size / vector_D.norm()
                rows.append(Row(layer, module, vector_D.to(model.hf.dtype)))
    return rows


def _logprob(model: Model, prompt: Sequence[int], row: Row, option: Sequence[int]) -> float:
    """Log-probability of an option by a plain pass over prompt and option."""
    ids = torch.tensor([[*prompt, *option]], device=model.device)
    with hooks(on_output=_write(model, row, len(prompt) - 1)):
        logits = model.hf(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    chosen = ids[0, len(prompt) :, None].to(logits.device)
    return float(logits.float().log_softmax(-1).gather(-1, chosen).sum())


def _write(model: Model, row: Row, place: int) -> list[tuple[nn.Module, Hook]]:
    vector_D = row.vector
    if row.module is None or vector_D is None:
        return []

    def hook(hidden: torch.Tensor) -> torch.Tensor:
        written = hidden.clone()
        written.view(-1, written.shape[-1])[place] = vector_D
        return written

    return [(model.module(row.module, row.layer), hook)]


def _tolerance(dtype: torch.dtype) -> float:
    """Sums round differently in another batch shape; half precision moves choices of experts."""
    return 1e-2 if dtype == torch.float32 else 1.0
