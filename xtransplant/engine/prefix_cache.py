"""Keys and values of the target prompts, kept once, and the attention that reads them.

Prefixes of several prompts are padded on the left. So all end at the same index, and a sliding
window is the same slice of each.

Shape suffixes: R rows, B prompts, H query heads, K key/value heads, P prefix tokens, S suffix
tokens, E head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from xtransplant.engine.attention import KeysValues, Places, ScoreRule, attend
from xtransplant.engine.layout import Ints
from xtransplant.engine.passes import padding
from xtransplant.errors import ModelError
from xtransplant.models.families import Model

IMPLEMENTATION = "xtransplant_shared_prefix"


@dataclass(frozen=True)
class Move:
    """The suffixes that a layer's rows continue.

    Attributes:
        first: first row that moves; rows before it keep their suffix.
        parents: rows of the previous step that the rows from `first` on continue.
    """

    first: int
    parents: torch.Tensor


@dataclass(frozen=True)
class Prefixes:
    """The prefixes (all tokens but the last) of some prompts, as a model keeps them.

    Attributes:
        lengths: number of tokens of each prefix.
        keys_values: keys and values of each layer, each [B, K, P, E], padded on the left; None for
            a layer without attention.
        states: cache layers of transformers with a recurrent state, by number, for each prompt.
    """

    lengths: Sequence[int]
    keys_values: Sequence[KeysValues | None]
    states: Sequence[Mapping[int, Any]]


class SharedPrefixCache:
    """Keys and values of the prefixes, kept once, and of the suffix of each row.

    A layer's suffix buffers are [rows, K, tokens, E] and grow to the rows that the layer needs.
    Answer options add many rows, but only for a few tokens, so with options the buffers start with
    room for few tokens. Otherwise they start at full length, because growing a buffer copies it.

    Args:
        prefixes: prefixes of all prompts; at least one layer has keys and values.
        max_new_tokens: maximum number of tokens of a suffix.
        first_tokens: number of tokens that a buffer has room for at first.
    """

    def __init__(self, prefixes: Prefixes, max_new_tokens: int, first_tokens: int) -> None:
        self.states, self.lengths = prefixes.states, prefixes.lengths
        self._prefix = prefixes.keys_values
        some = next(keys_values for keys_values in self._prefix if keys_values)
        self._padding_BP = padding(self.lengths, some[0].device)
        self._max_new_tokens = max_new_tokens
        self._first_tokens = first_tokens
        self._suffix: list[KeysValues | None] = [None] * len(self._prefix)
        self._moves: Sequence[Move | None] = ()
        self._places: Sequence[Places] = ()
        self._step = -1

    @property
    def n_tokens(self) -> int:
        """Number of tokens before the new one in the longest row."""
        return max(self.lengths) + self._step

    def positions(self, prompt: Ints) -> Ints:
        """Return the positions of rows of the given prompts; one number if there is one prompt."""
        positions = np.array(self.lengths)[prompt] + self._step
        return positions if len(self.lengths) > 1 else positions[:1]

    def begin_step(self, moves: Sequence[Move | None], places: Sequence[Places]) -> None:
        """Prepare for the next token.

        Args:
            moves: suffixes that the rows of each layer continue; None if unchanged.
            places: places of the rows of each layer, which tell their prompts.
        """
        self._moves, self._places = moves, places
        self._step += 1

    def attend(
        self,
        layer: int,
        query_RHE: torch.Tensor,
        new: KeysValues,
        rule: ScoreRule,
        sliding_window: int | None = None,
    ) -> torch.Tensor:
        """Store the new token's keys and values, and attend from it to all tokens so far.

        Args:
            layer: number of the layer.
            query_RHE: queries of the new token.
            new: keys and values of the new token, each [R, K, 1, E].
            rule: rule for the scores.
            sliding_window: number of tokens that the new one sees, itself included; None for all.

        Returns:
            Output, [R, H, E].
        """
        prefix, suffix, padding_BP = _window(
            self._prefix_of(layer), self._append(layer, new), self._padding_BP, sliding_window
        )
        places = self._places[layer]
        if padding_BP is not None:
            padding_BP = padding_BP.to(query_RHE.device)
        return attend(query_RHE, prefix, suffix, rule, places, padding_BP)

    def copied(self, layer: int, new: KeysValues) -> KeysValues:
        """Store the new token's keys and values; return those of all tokens, [R, K, P + S, E] each.

        The prefix is copied for each row. All rows must belong to the same prompt.
        """
        n_rows = new[0].shape[0]
        keys, values = (
            torch.cat([prefix.expand(n_rows, -1, -1, -1), suffix], 2)
            for prefix, suffix in zip(self._prefix_of(layer), self._append(layer, new), strict=True)
        )
        return keys, values

    def _prefix_of(self, layer: int) -> KeysValues:
        prefix = self._prefix[layer]
        if prefix is None:
            raise ModelError(f"layer {layer} attends to keys that it does not keep itself")
        return prefix

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
        moved = None
        if kept is not None and move is not None:
            moved = kept[move.parents.to(kept.device), :, :step]
        if kept is None or kept.shape[0] < n_rows or kept.shape[2] == step:
            is_begun = step < self._first_tokens
            n_tokens = self._first_tokens if is_begun else self._max_new_tokens
            larger = new_RK1E.new_empty(n_rows, n_kv, n_tokens, width)
            if kept is not None:
                n_kept = min(n_rows, kept.shape[0])
                larger[:n_kept, :, :step] = kept[:n_kept, :, :step]
            kept = larger
        if move is not None and moved is not None:
            kept[move.first : n_rows, :, :step] = moved
        kept[:n_rows, :, step] = new_RK1E[:, :, 0]
        return kept


def _window(
    prefix: KeysValues,
    suffix: KeysValues,
    padding_BP: torch.Tensor | None,
    sliding_window: int | None,
) -> tuple[KeysValues, KeysValues, torch.Tensor | None]:
    """Cut prefix and suffix to the last `sliding_window` tokens, the newest one included."""
    n_prefix, n_suffix = prefix[0].shape[2], suffix[0].shape[2]
    if not sliding_window or n_prefix + n_suffix <= sliding_window:
        return prefix, suffix, padding_BP
    start = n_prefix + n_suffix - sliding_window
    skipped = max(0, start - n_prefix)
    return (
        (prefix[0][:, :, start:], prefix[1][:, :, start:]),
        (suffix[0][:, :, skipped:], suffix[1][:, :, skipped:]),
        None if padding_BP is None else padding_BP[:, start:],
    )


_ACTIVE: ContextVar[SharedPrefixCache] = ContextVar("shared_prefix_cache")


@contextmanager
def shared_prefix_attention(model: Model, cache: SharedPrefixCache) -> Iterator[None]:
    """Make every attention layer of a model read and extend the cache in this block.

    A family with its own attention code is not changed; it gets its keys from `RowsCache`.
    """
    if model.own_attention:
        yield
        return
    hf = model.hf
    usual = hf.config._attn_implementation
    token = _ACTIVE.set(cache)
    hf.set_attn_implementation(IMPLEMENTATION)
    try:
        yield
    finally:
        hf.set_attn_implementation(usual)
        _ACTIVE.reset(token)


NO_EFFECT = frozenset({"dropout", "position_ids", "use_cache", "is_causal", "logits_to_keep"})
"""Arguments without effect on a single token in evaluation mode."""


def _attention_function(  # noqa: PLR0913 (transformers calls it with these arguments)
    module: Any,
    query_RH1E: torch.Tensor,
    key_RK1E: torch.Tensor,
    value_RK1E: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    sliding_window: int | None = None,  # read from the mask, as transformers' own functions do
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Implement transformers' AttentionInterface; the output is [R, 1, H, E].

    Raises:
        ModelError: the engine does not know the effect of an argument.
    """
    for name, value in others.items():
        if value is not None and name not in NO_EFFECT and not name.startswith("output_"):
            raise ModelError(
                f"the attention of {type(module).__name__} takes {name!r}, which the engine does "
                "not know; this architecture is not supported"
            )
    out_RHE = _ACTIVE.get().attend(
        module.layer_idx,
        query_RH1E[:, :, 0],
        (key_RK1E, value_RK1E),
        ScoreRule(scaling, softcap, s_aux),
        None if attention_mask is None else int(attention_mask),
    )
    return out_RHE[:, None], None


def _window_as_mask(
    *_: Any,
    mask_function: Callable[..., torch.Tensor],
    attention_mask: torch.Tensor | None = None,
    local_size: int | None = None,
    **__: Any,
) -> torch.Tensor | None:
    """Implement transformers' AttentionMaskInterface: None, or the length of a sliding window.

    A row sees all of its tokens, or only the last ones, which `SharedPrefixCache.attend` selects.

    Raises:
        ModelError: the mask has another pattern, such as attention within chunks.
    """
    if attention_mask is not None:
        raise ModelError("the model masks tokens of a prompt without padding; it is not supported")
    if not local_size:
        return None
    batch, head, query, first_seen = torch.tensor([0, 0, local_size, 1])
    if not mask_function(batch, head, query, first_seen):
        raise ModelError("the model's attention has a pattern other than a sliding window")
    return torch.tensor(local_size)


AttentionInterface.register(IMPLEMENTATION, _attention_function)
AttentionMaskInterface.register(IMPLEMENTATION, _window_as_mask)
