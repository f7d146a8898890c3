"""A prompt's prefix as a Hugging Face model keeps it, and what the model sees of it as its cache.

Most models' attention is answered by the engine (`prefix_cache`), and here only tells how many
tokens have been. Some families compute attention in code of their own (BLOOM, Falcon, XGLM): they
get a copy of the prefix for each row, of one layer at a time. State-space and linear-attention
layers (Jamba, Falcon-H1, Qwen3-Next) overwrite a state with each token: each row has its own.

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
from xtransplant.engine.prefix_cache import Prefix, SharedPrefixCache
from xtransplant.errors import ModelError
from xtransplant.models.families import Model


@torch.inference_mode()
def prefill(model: Model, prompts: Sequence[Tokens]) -> list[Prefix]:
    """Read the prefixes of some prompts, best sorted by length.

    Raises:
        ModelError: a layer keeps something else than the keys and values of all tokens.
    """
    return [
        prefix for part in passes(model, prompts) for prefix in _prefill_pass(model, prompts[part])
    ]


def _prefill_pass(model: Model, prompts: Sequence[Tokens]) -> list[Prefix]:
    # Sliding windows are cut later, from whole prefixes.
    kept: Any = DynamicCache(config=model.hf.config)
    kept.layers = [DynamicLayer() if _slides(layer) else layer for layer in kept.layers]
    read(model, prompts, kept)
    longest = max(map(len, prompts))
    for number, layer in enumerate(kept.layers):
        keys = getattr(layer, "keys", None)
        if keys is not None and keys.shape[2] != longest:
            raise ModelError(f"layer {number} keeps {keys.shape[2]} of {longest} keys")
    return [
        Prefix(len(prompt), _keys_values(kept, line, longest - len(prompt)), _states(kept))
        for line, prompt in enumerate(prompts)
    ]


def _keys_values(kept: Any, line: int, n_padding: int) -> list[KeysValues | None]:
    return [
        (layer.keys[line, :, n_padding:], layer.values[line, :, n_padding:])
        if getattr(layer, "keys", None) is not None
        else None
        for layer in kept.layers
    ]


def state_bytes(model: Model) -> int:
    """Bytes of one row's recurrent states; 0 where a model has none."""
    if not keeps_states(model):
        return 0
    (prefix,) = prefill(model, [(0,)])
    return sum(state.nbytes for layer in prefix.states.values() for state in _tensors(layer))


class RowsCache(Cache):
    """The rows of a step as `past_key_values` of a Hugging Face model.

    Args:
        model: any supported model.
        shared: keys and values of the batch's prefixes.
    """

    def __init__(self, model: Model, shared: SharedPrefixCache) -> None:
        layers: list[Any] = [DynamicLayer() for _ in model.layers]
        self.layers_with_state = tuple(shared.prefixes[0].states)
        for number in self.layers_with_state:
            layers[number] = _joined([prefix.states[number] for prefix in shared.prefixes])
        self._states = {number: layers[number] for number in self.layers_with_state}
        super().__init__(layers=layers)
        self._own_attention, self._shared = model.own_attention, shared

    def move_states(self, rows: Mapping[int, torch.Tensor]) -> None:
        """Let rows of each layer continue the states of those rows of the last step.

        In the first step they continue those of the prompts of these numbers.
        """
        # Called on the class: a layer of both kinds would move its (empty) keys too. The stubs give
        # the mixin's method the type of a whole layer.
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
        """Return the keys and values of all tokens, or the new ones to the engine's function."""
        if self._own_attention:
            return self._shared.copied(layer_idx, (key_states, value_states))
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the number of tokens before the new one."""
        return self._shared.n_tokens

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        """Return the number of tokens with the new one, and of those before the first key."""
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
    """Return a cache layer whose states are those of several prompts; theirs are not touched."""
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
