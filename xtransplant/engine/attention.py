"""Attention of many rows over one prefix: its K/V are kept once, each row adds a short suffix.

All rows stand at the same position and see the same prefix, so the prefix part is one matrix
product per KV head with the rows folded into the query length. Nothing here knows what a cell is.

Shape suffixes: R rows, H query heads, K key/value heads, G query heads per KV head (H = K * G),
P prefix tokens, S suffix tokens, E head width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

IMPLEMENTATION = "xtransplant_shared_prefix"

# Scores held at once. It bounds the memory that would grow with rows x prompt length, and keeps
# the softmax inside a CPU's cache; larger blocks were not faster.
MAX_SCORES = 1 << 20

KeysValues = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Move:
    """Computed rows from `first` on continue the suffixes of rows `parents` of the last step.

    Those before stay where they are.
    """

    first: int
    parents: torch.Tensor


class SharedPrefixCache:
    """K/V of one prefix, kept once, and of what follows it in the rows that each layer computes.

    A layer's suffix buffers are [rows, K, max_new_tokens, E] and grow to the rows the layer needs.
    """

    def __init__(self, prefix: Sequence[KeysValues], max_new_tokens: int) -> None:
        self._prefix = prefix
        self._max_new_tokens = max_new_tokens
        self._suffix: list[KeysValues | None] = [None] * len(prefix)
        self._moves: Sequence[Move | None] = ()
        self._step = -1

    @property
    def n_prefix(self) -> int:
        """P: tokens of the prefix."""
        return self._prefix[0][0].shape[1]

    def begin_step(self, moves: Sequence[Move | None]) -> None:
        """Announce the next token: how each layer's rows follow from those of the last step."""
        self._moves = moves
        self._step += 1

    def attend(
        self,
        layer: int,
        query_RHE: torch.Tensor,
        new: KeysValues,
        scaling: float,
        sliding_window: int | None = None,
        softcap: float | None = None,
    ) -> torch.Tensor:
        """Keep the new token's keys and values, each [R, K, 1, E], and attend to all up to it."""
        suffix = self._append(layer, new)
        prefix, suffix = _window(self._prefix[layer], suffix, sliding_window)
        return attend(query_RHE, prefix, suffix, scaling, softcap)

    def _append(self, layer: int, new: KeysValues) -> KeysValues:
        kept = self._suffix[layer] or (None, None)
        keys, values = (
            self._extend(buffer, self._moves[layer], added)
            for buffer, added in zip(kept, new, strict=True)
        )
        self._suffix[layer] = keys, values
        n_rows, n_tokens = new[0].shape[0], self._step + 1
        return keys[:n_rows, :, :n_tokens], values[:n_rows, :, :n_tokens]

    def _extend(
        self, kept: torch.Tensor | None, move: Move | None, new_RK1E: torch.Tensor
    ) -> torch.Tensor:
        n_rows, n_kv, _, width = new_RK1E.shape
        step = self._step
        moved = None if kept is None or move is None else kept[move.parents, :, :step]
        if kept is None or kept.shape[0] < n_rows:
            larger = new_RK1E.new_empty(n_rows, n_kv, self._max_new_tokens, width)
            if kept is not None:
                larger[: kept.shape[0], :, :step] = kept[:, :, :step]
            kept = larger
        if move is not None and moved is not None:
            kept[move.first : n_rows, :, :step] = moved
        kept[:n_rows, :, step] = new_RK1E[:, :, 0]
        return kept


def attend(
    query_RHE: torch.Tensor,
    prefix: KeysValues,
    suffix: KeysValues,
    scaling: float,
    softcap: float | None = None,
) -> torch.Tensor:
    """Attend from one token a row to the shared prefix and to the row's own suffix.

    Args:
        query_RHE: one query a row and head.
        prefix: keys and values, each [K, P, E].
        suffix: keys and values, each [R, K, S, E].
        scaling: factor on the scores.
        softcap: Gemma 2's bound on the scores, applied after scaling.

    Returns:
        [R, H, E], in the query's dtype; the softmax runs in float32, as in transformers.
    """
    n_rows, n_heads, _ = query_RHE.shape
    n_tokens = prefix[0].shape[1] + suffix[0].shape[2]
    n_chunk = max(1, MAX_SCORES // (n_heads * n_tokens))
    chunks = [
        _attend_chunk(
            query_RHE[start : start + n_chunk],
            prefix,
            (suffix[0][start : start + n_chunk], suffix[1][start : start + n_chunk]),
            scaling,
            softcap,
        )
        for start in range(0, n_rows, n_chunk)
    ]
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks)


def _attend_chunk(
    query_RHE: torch.Tensor,
    prefix: KeysValues,
    suffix: KeysValues,
    scaling: float,
    softcap: float | None,
) -> torch.Tensor:
    (prefix_keys_KPE, prefix_values_KPE), (suffix_keys_RKSE, suffix_values_RKSE) = prefix, suffix
    n_rows, n_heads, width = query_RHE.shape
    n_kv, n_prefix, _ = prefix_keys_KPE.shape
    n_suffix = suffix_keys_RKSE.shape[2]
    folded = n_rows * (n_heads // n_kv)
    query_RKGE = query_RHE.reshape(n_rows, n_kv, n_heads // n_kv, width) * scaling

    query_KrE = query_RKGE.transpose(0, 1).reshape(n_kv, folded, width)
    prefix_scores_KrP = query_KrE @ prefix_keys_KPE.mT
    suffix_scores_RKGS = query_RKGE @ suffix_keys_RKSE.mT
    suffix_scores_KrS = suffix_scores_RKGS.transpose(0, 1).reshape(n_kv, folded, n_suffix)
    scores_Krt = torch.cat([prefix_scores_KrP, suffix_scores_KrS], -1)
    if softcap is not None:
        scores_Krt = torch.tanh(scores_Krt / softcap) * softcap
    weights_Krt = scores_Krt.softmax(-1, dtype=torch.float32).to(query_RHE.dtype)

    out_KrE = weights_Krt[..., :n_prefix] @ prefix_values_KPE
    suffix_weights_RKGS = (
        weights_Krt[..., n_prefix:].view(n_kv, n_rows, -1, n_suffix).transpose(0, 1)
    )
    out_RKGE = out_KrE.view(n_kv, n_rows, -1, width).transpose(0, 1)
    out_RKGE = out_RKGE + suffix_weights_RKGS @ suffix_values_RKSE
    return out_RKGE.reshape(n_rows, n_heads, width)


def _window(
    prefix: KeysValues,
    suffix: KeysValues,
    sliding_window: int | None,
) -> tuple[KeysValues, KeysValues]:
    """Cut prefix and suffix to the last `sliding_window` tokens, the newest one included."""
    n_prefix, n_suffix = prefix[0].shape[1], suffix[0].shape[2]
    if not sliding_window or n_prefix + n_suffix <= sliding_window:
        return prefix, suffix
    start = n_prefix + n_suffix - sliding_window
    skipped = max(0, start - n_prefix)
    return (
        (prefix[0][:, start:], prefix[1][:, start:]),
        (suffix[0][:, :, skipped:], suffix[1][:, :, skipped:]),
    )


_ACTIVE: ContextVar[SharedPrefixCache] = ContextVar("shared_prefix_cache")


@contextmanager
def shared_prefix_attention(hf: Any, cache: SharedPrefixCache) -> Iterator[None]:
    """Let every attention layer of a Hugging Face model read and extend the cache in this block."""
    usual = hf.config._attn_implementation
    token = _ACTIVE.set(cache)
    hf.set_attn_implementation(IMPLEMENTATION)
    try:
        yield
    finally:
        hf.set_attn_implementation(usual)
        _ACTIVE.reset(token)


def _attention_function(
    module: Any,
    query_RH1E: torch.Tensor,
    key_RK1E: torch.Tensor,
    value_RK1E: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Answer transformers' AttentionInterface: out is [R, 1, H, E]."""
    out_RHE = _ACTIVE.get().attend(
        module.layer_idx,
        query_RH1E[:, :, 0],
        (key_RK1E, value_RK1E),
        scaling,
        sliding_window,
        softcap,
    )
    return out_RHE[:, None], None


def _no_mask(*_: Any, **__: Any) -> None:
    """Every row sees all of its tokens; windows are cut in the attention function."""


AttentionInterface.register(IMPLEMENTATION, _attention_function)
AttentionMaskInterface.register(IMPLEMENTATION, _no_mask)
