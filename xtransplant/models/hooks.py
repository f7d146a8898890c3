"""Hooks on hidden states that last for one `with` block.

Some modules return a tensor, others a tuple that starts with one. Some are called with positional
arguments, others with keywords. Only this module deals with the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import torch
from torch import nn

Hook = Callable[[torch.Tensor], torch.Tensor | None]
"""Function of hidden states that returns new ones, or None to leave them unchanged.

Their shape is (batch, tokens, width). Some modules have (batch * tokens, width), such as OPT's
feed-forward module, so hooks should rely on the last dimension only.
"""

POSITIONS = ("position_embeddings", "position_ids", "attention_mask", "alibi")
"""Arguments of decoder layers with the rows' positions and attention masks."""


@contextmanager
def hooks(
    on_input: Iterable[tuple[nn.Module, Hook]] = (),
    on_output: Iterable[tuple[nn.Module, Hook]] = (),
    on_positions: Iterable[tuple[nn.Module, Hook]] = (),
) -> Iterator[None]:
    """Attach hooks to modules in this block; they are removed at its end, also after an exception.

    Args:
        on_input: modules, and hooks on their first input.
        on_output: modules, and hooks on their output.
        on_positions: decoder layers, and hooks on each tensor in their `POSITIONS` arguments. Its
            shape is (batch, tokens, ...) or (batch * heads, ...), or has no batch dimension if it
            is the same for all rows.
    """
    with ExitStack() as stack:
        for module, hook in on_positions:
            names = tuple(signature(module.forward).parameters)
            handle = module.register_forward_pre_hook(_position_hook(hook, names), with_kwargs=True)
            stack.callback(handle.remove)
        for module, hook in on_input:
            handle = module.register_forward_pre_hook(_input_hook(hook), with_kwargs=True)
            stack.callback(handle.remove)
        for module, hook in on_output:
            handle = module.register_forward_hook(_output_hook(hook))
            stack.callback(handle.remove)
        yield


def _input_hook(hook: Hook) -> Callable[..., Any]:
    def run(_module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        new = hook(args[0] if args else kwargs["hidden_states"])
        if new is None:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    return run


def _position_hook(hook: Hook, names: Sequence[str]) -> Callable[..., Any]:
    def replaced(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(replaced, value))
        new = None if value is None else hook(value)
        return value if new is None else new

    def run(_module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        found = {name: replaced(kwargs[name]) for name in POSITIONS if name in kwargs}
        new = tuple(
            replaced(value) if name in POSITIONS else value
            for name, value in zip(names, args, strict=False)
        )
        return new, {**kwargs, **found}

    return run


def _output_hook(hook: Hook) -> Callable[..., Any]:
    def run(_module: nn.Module, _args: Any, output: Any) -> Any:
        if not isinstance(output, tuple):
            return hook(output)
        new = hook(output[0])
        return None if new is None else (new, *output[1:])

    return run
