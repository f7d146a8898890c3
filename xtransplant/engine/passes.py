"""Passes over whole prompts, several at once, padded on the left.

Reading several short prompts together makes matrix products larger. With padding on the left, the
last tokens of all prompts are at the same index, and a sliding window is the same slice of all
prompts.

Shape suffixes: B prompts, P tokens of the longest prompt, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from transformers import DynamicCache
from transformers.cache_utils import LinearAttentionCacheLayerMixin

from xtransplant.engine.options import Tokens
from xtransplant.models.families import Model
from xtransplant.models.parallel import n_processes

Item = TypeVar("Item")
Result = TypeVar("Result")

PASS_TOKENS = 2048
"""Maximum number of tokens of a pass, padding included; a longer prompt gets its own pass."""


def passes(model: Model, prompts: Sequence[Tokens]) -> Iterator[slice]:
    """Split a list of prompts into passes; sort it by length for the fewest passes.

    Models with recurrent states or with their own attention code, and encoder-decoder models, read
    one prompt at a time, because padding would change their results.
    """
    if model.own_attention or model.decoder_prompt or keeps_states(model):
        yield from (slice(number, number + 1) for number in range(len(prompts)))
        return
    start, longest = 0, 0
    for stop, prompt in enumerate(prompts):
        longest = max(longest, len(prompt))
        if stop > start and longest * (stop + 1 - start) > PASS_TOKENS:
            yield slice(start, stop)
            start, longest = stop, len(prompt)
    yield slice(start, len(prompts))


def in_halves(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item]
) -> Iterator[tuple[Sequence[Item], Result]]:
    """Do the work for all items at once; if memory runs out, for each half in turn.

    Yields:
        Items that were done together, with their result.

    Raises:
        torch.OutOfMemoryError: memory runs out for a single item, or in one of several processes
            that share the model and cannot retry alone.
    """
    try:
        result = work(items)
    except torch.OutOfMemoryError:
        if len(items) <= 1 or n_processes() > 1:
            raise
    else:
        yield items, result
        return
    # After the handler, because inside it the error keeps the tensors of the failed work alive.
    middle = len(items) // 2
    yield from in_halves(work, items[:middle])
    yield from in_halves(work, items[middle:])


def padding(lengths: Sequence[int], device: torch.device) -> torch.Tensor | None:
    """Return a mask, [B, P], that is True at the padding on the left; None without padding."""
    longest = max(lengths)
    if min(lengths) == longest:
        return None
    missing_B = torch.tensor([longest - length for length in lengths], device=device)
    return torch.arange(longest, device=device) < missing_B[:, None]


def keeps_states(model: Model) -> bool:
    """Return whether a layer has a recurrent state (state-space and linear-attention layers do)."""
    layers = DynamicCache(config=model.hf.config).layers
    return any(isinstance(layer, LinearAttentionCacheLayerMixin) for layer in layers)


def read(
    model: Model, prompts: Sequence[Tokens], cache: DynamicCache | None = None
) -> torch.Tensor:
    """Run some prompts in one pass, [B, P]; return the logits of their last tokens, [B, V]."""
    inputs = model.inputs(prompts[0]) if len(prompts) == 1 else _padded(model, prompts)
    logits: torch.Tensor = model.hf(
        **inputs, past_key_values=cache, use_cache=cache is not None
    ).logits
    return logits[:, -1]


def _padded(model: Model, prompts: Sequence[Tokens]) -> dict[str, Any]:
    longest = max(map(len, prompts))
    ids_BP = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts])
    inputs: dict[str, Any] = {"input_ids": ids_BP.to(model.device), "logits_to_keep": 1}
    padding_BP = padding([len(p) for p in prompts], model.device)
    if padding_BP is not None:
        mask_BP = ~padding_BP
        inputs["attention_mask"] = mask_BP.long()
        inputs["position_ids"] = (mask_BP.cumsum(-1) - 1).clamp(min=0)
    return inputs
