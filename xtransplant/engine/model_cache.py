"""A prompt's prefix as a Hugging Face model keeps it, and the cache that is passed to the model.

For most models, the engine computes attention (`prefix_cache`), and the cache passed to the model
only counts tokens. Some families have their own attention code (BLOOM, Falcon, XGLM): they get a
copy of the prefix for each row, one layer at a time. State-space and linear-attention layers
(Jamba, Falcon-H1, Qwen3-Next) overwrite a state with each token, so each row has its own state.

Shape suffixes: K key/value heads, P prefix tokens, E head width.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import (
    Cache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionCacheLayerMixin,
)

from xtransplant.engine.attention import KeysValues
from xtransplant.engine.options import Tokens
from xtransplant.engine.passes import keeps_states, passes, read
from xtransplant.engine.prefix_cache import Prefixes, SharedPrefixCache
from xtransplant.errors import ModelError
from xtransplant.models.families import Model


@torch.inference_mode()
def prefill(model: Model, prompts: Sequence[Tokens]) -> Prefixes:
    """Run the prefixes of some prompts through the model and keep their keys, values and states.

    Sort the prompts by length for the fewest passes.

    Raises:
        ModelError: an attention layer does not keep the keys and values of all tokens.
    """
    lengths = [len(prompt) for prompt in prompts]
    tables: list[KeysValues | None] = []
    states = []
    for part in passes(model, prompts):
        kept = _read_pass(model, prompts[part])
        if len(prompts) == 1:
            tables = [_keys_values(layer) for layer in kept.layers]
        else:
            tables = tables or [_tables(layer, lengths) for layer in kept.layers]
            for table, layer in zip(tables, kept.layers, strict=True):
                _fill(table, _keys_values(layer), part, lengths)
        states += [_states(kept)] * len(prompts[part])
    return Prefixes(lengths, tables, states)


def _read_pass(model: Model, prompts: Sequence[Tokens]) -> Any:
    # Keep whole prefixes; sliding windows are cut from them later.
    kept: Any = DynamicCache(config=model.hf.config)
    kept.layers = [DynamicLayer() if _slides(layer) else layer for layer in kept.layers]
    read(model, prompts, kept)
    longest = max(map(len, prompts))
    for number, layer in enumerate(kept.layers):
        keys_values = _keys_values(layer)
        if keys_values and keys_values[0].shape[2] != longest:
            raise ModelError(f"layer {number} keeps {keys_values[0].shape[2]} of {longest} keys")
    return kept


def _keys_values(layer: Any) -> KeysValues | None:
    keys = getattr(layer, "keys", None)
    return None if keys is None else (keys, layer.values)


def _tables(layer: Any, lengths: Sequence[int]) -> KeysValues | None:
    """Return zeros for the keys and values of all prompts in a layer."""
    keys_values = _keys_values(layer)
    if keys_values is None:
        return None
    keys, values = (
        kept.new_zeros(len(lengths), kept.shape[1], max(lengths), kept.shape[3])
        for kept in keys_values
    )
    return keys, values


def _fill(
    tables: KeysValues | None, kept: KeysValues | None, part: slice, lengths: Sequence[int]
) -> None:
    """Copy a layer's keys and values from a pass, without padding, to the lines `part`."""
    for table_BKPE, kept_BKPE in zip(tables or (), kept or (), strict=True):
        for line, of_prompt, n_tokens in zip(
            table_BKPE[part], kept_BKPE, lengths[part], strict=True
        ):
            line[:, -n_tokens:] = of_prompt[:, -n_tokens:]


def state_bytes(model: Model) -> int:
    """Return the size of one row's recurrent states in bytes; 0 if the model has none."""
    if not keeps_states(model):
        return 0
    (states,) = prefill(model, [(0,)]).states
    return sum(state.nbytes for layer in states.values() for state in _tensors(layer))


class RowsCache(Cache):
    """The rows of a step as `past_key_values` of a Hugging Face model.

    Args:
        model: any supported model.
        shared: keys and values of the batch's prefixes.
    """

    def __init__(self, model: Model, shared: SharedPrefixCache) -> None:
        layers: list[Any] = [DynamicLayer() for _ in model.layers]
        self.layers_with_state = tuple(shared.states[0])
        for number in self.layers_with_state:
            layers[number] = _joined([states[number] for states in shared.states])
        self._states = {number: layers[number] for number in self.layers_with_state}
        super().__init__(layers=layers)
        self._own_attention, self._shared = model.own_attention, shared

    def move_states(self, rows: Mapping[int, torch.Tensor]) -> None:
        """Select the states that the rows of a step continue.

        Args:
            rows: rows of the previous step, by layer; in the first step, numbers of prompts.
        """
        # Called on the class, because a layer of both kinds would move its (empty) keys too. Any is
        # for the stubs, in which the mixin's method takes a whole layer.
        for number, index in rows.items():
            state = self._states[number]
            own: Any = index.to(_tensors(state)[0].device)
            LinearAttentionCacheLayerMixin.reorder_cache(state, own)

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> KeysValues:
        """Return the keys and values of all tokens; only the new ones if the engine attends."""
        if self._own_attention:
            return self._shared.copied(layer_idx, (key_states, value_states))
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the number of tokens before the new one."""
        return self._shared.n_tokens

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Return the number of tokens, the new one included, and the offset of the first key."""
        return self._shared.n_tokens + query_length, 0


def _slides(layer: Any) -> bool:
    return type(layer) is DynamicSlidingWindowLayer


def _states(kept: Any) -> dict[int, Any]:
    return {
        number: layer
        for number, layer in enumerate(kept.layers)
        if isinstance(layer, LinearAttentionCacheLayerMixin)
    }


def _joined(layers: Sequence[Any]) -> Any:
    """Return a new cache layer with the states of several prompts, which are left unchanged."""
    joined = copy.copy(layers[0])
    for name in ("conv_states", "recurrent_states"):
        of_prompts = [getattr(layer, name) for layer in layers]
        setattr(
            joined,
            name,
            {
                number: None if state is None else torch.cat([one[number] for one in of_prompts])
                for number, state in of_prompts[0].items()
            },
        )
    return joined


def _tensors(layer: Any) -> list[torch.Tensor]:
    states = [*layer.conv_states.values(), *layer.recurrent_states.values()]
    return [state for state in states if state is not None]
