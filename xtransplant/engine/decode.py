"""The loop over new tokens: all rows of a grid over one target prompt.

Shape suffixes: L layers, R rows, D model width, V vocabulary, K key/value heads, P prefix tokens,
E head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import DynamicCache

from xtransplant.engine.attention import (
    KeysValues,
    Move,
    SharedPrefixCache,
    shared_prefix_attention,
)
from xtransplant.engine.capture import capture
from xtransplant.engine.cost import rows_that_fit
from xtransplant.engine.layout import Ints, StepLayout
from xtransplant.errors import NumericsError
from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType


@dataclass(frozen=True, eq=False)
class Row:
    """A continuation of the target prompt: a vector, [D], written to a layer's module output.

    A row that writes nothing, the baseline, has no vector and the layer N.
    """

    layer: int
    module: ModuleType | None = None
    vector: torch.Tensor | None = None


@torch.inference_mode()
def decode(
    model: Model,
    token_ids: Sequence[int],
    rows: Sequence[Row],
    max_new_tokens: int,
    rows_per_batch: int | None = None,
) -> list[tuple[int, ...]]:
    """Continue the target prompt greedily, once for each row.

    Args:
        model: any supported model.
        token_ids: the target prompt, two tokens or more.
        rows: in any order.
        max_new_tokens: tokens generated at most.
        rows_per_batch: rows that decode together; None chooses a number that fits.

    Returns:
        The new tokens of each row, in the order of `rows`, the end-of-sequence token included.

    Raises:
        NumericsError: NaN or infinite numbers; the message names the layer.
    """
    prefix = prefill(model, token_ids[:-1])
    order = sorted(range(len(rows)), key=lambda r: (rows[r].layer, rows[r].module or ""))
    size = rows_per_batch or rows_that_fit(
        model.text_config, model.hf.dtype, max_new_tokens, model.device
    )
    out: list[tuple[int, ...]] = [()] * len(rows)
    for start in range(0, len(rows), size):
        batch = order[start : start + size]
        cache = SharedPrefixCache(prefix, max_new_tokens)
        try:
            continuations = _decode_batch(
                model, cache, [rows[r] for r in batch], token_ids[-1], max_new_tokens
            )
        except NumericsError:
            capture(
                model, token_ids, [ModuleType.BLOCK]
            )  # names the layer if the prompt is at fault
            raise
        for row, new_tokens in zip(batch, continuations, strict=True):
            out[row] = new_tokens
    return out


def prefill(model: Model, token_ids: Sequence[int]) -> list[KeysValues]:
    """Run the prompt but its last token; keep each layer's keys and values, each [K, P, E]."""
    # Built without the config, so that layers with a sliding window keep the whole prefix too.
    cache: Any = DynamicCache()
    ids = torch.tensor([token_ids], device=model.device)
    model.hf(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [(layer.keys[0], layer.values[0]) for layer in cache.layers]


def _decode_batch(
    model: Model,
    cache: SharedPrefixCache,
    rows: Sequence[Row],
    last_token: int,
    max_new_tokens: int,
) -> list[tuple[int, ...]]:
    """Decode rows that are sorted by target layer; see `layout` for which of them compute where."""
    layers = np.array([row.layer for row in rows])
    eos = list(model.eos_token_ids)
    out: list[list[int]] = [[] for _ in rows]
    alive = survivors = np.arange(len(rows))
    tokens = np.full(len(rows), last_token)
    history = np.zeros(len(rows), np.int64)
    last: StepLayout | None = None
    growth = _Growth()
    growing = [(part, growth.hook(layer)) for layer, part in enumerate(model.layers)]
    with shared_prefix_attention(model.hf, cache), hooks(on_input=growing):
        for step in range(max_new_tokens):
            layout = StepLayout.of(layers[alive], history, model.n_layers, first=step == 0)
            growth.gathers = _gathers(layout, model)
            cache.begin_step(_moves(last, layout, survivors, model))
            with hooks(on_output=_writes(model, rows) if step == 0 else ()):
                chosen = _next_tokens(model, tokens[layout.rows(-1)], cache.n_prefix + step)
            tokens = chosen[layout.slots(model.n_layers - 1, np.arange(len(alive)))]
            if (tokens < 0).any():
                raise NumericsError(
                    "NaN or infinite logits after a write at target layer "
                    f"{layers[alive][tokens < 0][0]}; try model.dtype=float32"
                )
            for row, token in zip(alive, tokens, strict=True):
                out[row].append(int(token))
            survivors = np.flatnonzero(~np.isin(tokens, eos))
            if not len(survivors):
                break
            history = _extend(history, tokens)[survivors]
            alive, tokens, last = alive[survivors], tokens[survivors], layout
    return [tuple(new_tokens) for new_tokens in out]


class _Growth:
    """Pre-hooks of the decoder layers: rows that leave the trunk join the batch."""

    def __init__(self) -> None:
        self.gathers: Sequence[torch.Tensor | None] = ()

    def hook(self, layer: int) -> Hook:
        def grow(hidden_R1D: torch.Tensor) -> torch.Tensor | None:
            gather = self.gathers[layer]
            return None if gather is None else hidden_R1D.index_select(0, gather)

        return grow


def _gathers(layout: StepLayout, model: Model) -> list[torch.Tensor | None]:
    """For each layer: which rows of the layer below its rows start from; None if the same."""
    n_own = np.concatenate([[0], layout.n_own])
    return _on_device(
        [
            layout.slots(layer - 1, layout.rows(layer)) if n_own[layer + 1] > n_own[layer] else None
            for layer in range(model.n_layers)
        ],
        model.device,
    )


def _moves(
    last: StepLayout | None, layout: StepLayout, survivors: Ints, model: Model
) -> list[Move | None]:
    """For each layer: how the rows of this step continue the suffixes of the last one."""
    if last is None:
        return [None] * model.n_layers
    firsts, parents = [], []
    for layer in range(model.n_layers):
        rows = last.slots(layer, survivors[layout.rows(layer)])
        moved = np.flatnonzero(rows != np.arange(len(rows)))
        firsts.append(int(moved[0]) if len(moved) else len(rows))
        parents.append(rows[firsts[-1] :] if len(moved) else None)
    return [
        None if moved_rows is None else Move(first, moved_rows)
        for first, moved_rows in zip(firsts, _on_device(parents, model.device), strict=True)
    ]


def _on_device(indices: Sequence[Ints | None], device: torch.device) -> list[torch.Tensor | None]:
    """Send index arrays in one transfer."""
    lengths = [0 if index is None else len(index) for index in indices]
    sent = torch.from_numpy(
        np.concatenate([np.zeros(0, np.int64), *(index for index in indices if index is not None)])
    ).to(device)
    parts = torch.split(sent, lengths)
    return [None if index is None else part for index, part in zip(indices, parts, strict=True)]


def _writes(model: Model, rows: Sequence[Row]) -> list[tuple[nn.Module, Hook]]:
    """Hooks for the first pass: each row's vector takes the place of its module's output."""
    places: dict[tuple[int, ModuleType], list[int]] = {}
    for index, row in enumerate(rows):
        if row.module is not None:
            places.setdefault((row.layer, row.module), []).append(index)

    def write(indices: list[int]) -> Hook:
        vectors_RD = torch.stack([v for i in indices if (v := rows[i].vector) is not None])

        def hook(hidden_R1D: torch.Tensor) -> torch.Tensor:
            written = hidden_R1D.clone()
            written[indices, -1] = vectors_RD.to(written.dtype)
            return written

        return hook

    return [
        (model.modules(module)[layer], write(indices))
        for (layer, module), indices in places.items()
    ]


def _next_tokens(model: Model, tokens: Ints, position: int) -> Ints:
    """Run one token a row; return each row's most likely next one, -1 where that is NaN."""
    logits_RV = model.hf(
        input_ids=torch.from_numpy(tokens)[:, None].to(model.device),
        position_ids=torch.tensor([[position]], device=model.device),
        use_cache=False,
    ).logits[:, -1]
    best_R = logits_RV.argmax(-1)
    finite_R = logits_RV.gather(-1, best_R[:, None])[:, 0].isfinite()
    return torch.where(finite_R, best_R, -1).cpu().numpy()


def _extend(history: Ints, tokens: Ints) -> Ints:
    """Number the histories anew, each with its new token."""
    _, numbers = np.unique(np.stack([history, tokens]), axis=1, return_inverse=True)
    return numbers.reshape(-1)
