"""A check at load that, on a few tokens, the engine computes what the model itself computes.

One batch holds the prompt without a write, one row with a write for each layer and inner module,
and rows of a shorter prompt, so that padding and positions are checked too. The cost of the check
is that each pass reads all weights, so there are few passes.

Shape suffixes: R rows, O options, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from xtransplant.engine.decode import Target, decode
from xtransplant.engine.options import Tokens
from xtransplant.engine.rows import Continuation, Row
from xtransplant.engine.writes import Writes
from xtransplant.errors import ModelError
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks
from xtransplant.models.layout_messages import describe
from xtransplant.models.probe import States, probing
from xtransplant.types import ModuleType

_BLOCKS = (ModuleType.BLOCK, ModuleType.ENCODER_BLOCK)
_N_TOKENS, _N_SHORTER, _N_NEXT = 6, 4, 3


def require_agreement(model: Model, states: States) -> None:
    """Check that writes have an effect in every layer, and that shared prefixes change nothing.

    Args:
        model: any supported model.
        states: result of `probe.verify`.

    Raises:
        ModelError: a write has no effect, or log-probabilities differ; the message names the
            module.
    """
    vocabulary = model.text_config.vocab_size
    tokens = tuple((10 + 7 * k) % vocabulary for k in range(_N_TOKENS + _N_NEXT))
    longer, following = tokens[:_N_TOKENS], tokens[_N_TOKENS:]
    shorter = longer[-_N_SHORTER:]
    targets = [
        Target(longer, tuple((token,) for token in following)),
        Target(shorter, tuple(following[: k + 1] for k in range(_N_NEXT))),
    ]
    writes = _writes(model, states)
    # A write to a layer's output always has an effect, so only inner modules are tested.
    written = [row for row in writes if row.module not in _BLOCKS]
    # One row per module, at a middle layer, to keep the plain pass small.
    middle = {row.module: row for row in writes if row.layer <= model.n_layers // 2}
    compared = [replace(row, target=1) for row in (Row(model.n_layers), *middle.values())]
    with probing(model):
        untouched, *answers = decode(model, targets, [Row(model.n_layers), *written, *compared], 1)
    _require_effects(model, untouched, written, answers[: len(written)])
    _require_same(model, shorter, following, compared, answers[len(written) :])


def _require_effects(
    model: Model, untouched: Continuation, rows: Sequence[Row], answers: Sequence[Continuation]
) -> None:
    for row, answer in zip(rows, answers, strict=True):
        if answer.option_logprobs == untouched.option_logprobs:
            raise ModelError(
                f"{model.id or 'model'!r}: a write to module {str(row.module)!r} of layer "
                f"{row.layer} has no effect; {describe(model.layers[row.layer], row.module)}"
            )


def _require_same(
    model: Model,
    prompt: Tokens,
    following: Tokens,
    rows: Sequence[Row],
    answers: Sequence[Continuation],
) -> None:
    """Compare with a plain pass; option k consists of the first k + 1 tokens of `following`."""
    expected_RO = _logprobs(model, prompt, following, rows).cumsum(-1)
    for row, answer, expected_O in zip(rows, answers, expected_RO, strict=True):
        error = float((torch.tensor(answer.option_logprobs) - expected_O).abs().mean())
        if not error <= _tolerance(model.hf):
            what = f"a write to {row.module}" if row.module else "no write"
            named = f", if model.family.{row.module} is right" if row.module else ""
            raise ModelError(
                f"{model.id or 'model'!r}: the engine's log-probabilities differ by {error:.2g} "
                f"from the model's own, with {what}; this architecture is not supported{named}"
            )


def _writes(model: Model, states: States) -> list[Row]:
    """Return rows that write probe vectors: the residual stream's norm, but another direction."""
    rows = []
    for (module, layer), state_D in states.items():
        blocks = module if module in _BLOCKS else ModuleType.BLOCK
        vector_D = state_D.float().flip(0)
        # attn_residual is written like attn.
        if module is not ModuleType.ATTN_RESIDUAL and vector_D.any():
            vector_D = (
                vector_D * states[blocks, layer].float().norm().to(vector_D) / vector_D.norm()
            )
            rows.append(Row(layer, module, vector_D.to(model.hf.dtype)))
    return rows


@torch.inference_mode()
def _logprobs(model: Model, prompt: Tokens, following: Tokens, rows: Sequence[Row]) -> torch.Tensor:
    """Return the log-probability of each following token, [R, O], from a plain pass with writes."""
    before = model.decoder_prompt or prompt
    ids_R = torch.tensor([[*before, *following]] * len(rows), device=model.device)
    inputs = {"input_ids": ids_R, "logits_to_keep": len(following) + 1}
    if model.decoder_prompt:
        prompts_R = torch.tensor([prompt] * len(rows), device=model.device)
        inputs = {"input_ids": prompts_R, "decoder_input_ids": ids_R}
    on_output = [
        *Writes(model, rows).hooks(n_tokens=ids_R.shape[1], token=len(before) - 1),
        *Writes(model, rows, encoder=True).hooks(n_tokens=len(prompt)),
    ]
    with hooks(on_output=on_output):
        out = model.hf(**inputs, use_cache=False)
    logits_ROV: torch.Tensor = out.logits[:, -len(following) - 1 : -1]
    chosen_RO1 = ids_R[:, len(before) :, None].to(logits_ROV.device)
    return logits_ROV.float().log_softmax(-1).gather(-1, chosen_RO1)[:, :, 0].cpu()


def _tolerance(hf: Any) -> float:
    """Return the largest difference that rounding can explain.

    Sums are rounded differently in another batch shape. In lower precision, a router may choose
    other experts. Checkpoints in 8 bits also round activations to 8 bits, whatever their dtype.
    """
    exact = (
        hf.dtype == torch.float32
        and torch.get_float32_matmul_precision() == "highest"
        and not getattr(hf, "is_loaded_in_8bit", False)
    )
    return 1e-2 if exact else 1.0
