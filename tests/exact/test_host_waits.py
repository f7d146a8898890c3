"""A GPU is asked for a step's tokens once: the host waits for no row and in no layer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from families import MODULES, N_LAYERS, SOURCE, TARGET, tiny_model
from torch.utils._python_dispatch import TorchDispatchMode

from xtransplant.config.intervention import TRANSPLANT, Intervention
from xtransplant.engine import decode as decoding
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import transplant_all
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks

NEW_TOKENS = 3
KNOWN_BY_HOST = {"item", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2"}
"""Operations whose result the host has to know before it goes on."""
FROM_DEVICE = ("cpu", "tolist", "numpy")
TO_DEVICE = ("from_numpy", "tensor", "as_tensor")
"""What makes tensors of the host's numbers, for whose way to the device the host waits."""


class HostWaits(TorchDispatchMode):
    """Counts what would wait for a GPU, amid the layers of a pass and outside of them."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.amid_layers: list[str] = []
        self._names = self.outside

    def first_layer(self, _hidden: torch.Tensor) -> None:
        self._names = self.amid_layers

    def unembedding(self, _hidden: torch.Tensor) -> None:
        self._names = self.outside

    def count(self, name: str) -> None:
        self._names.append(name)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in KNOWN_BY_HOST or (name.startswith("index") and _has_mask(args[1])):
            self.count(name)
        return func(*args, **(kwargs or {}))


def _has_mask(indices: Any) -> bool:
    return isinstance(indices, (list, tuple)) and any(
        isinstance(index, torch.Tensor) and index.dtype is torch.bool for index in indices
    )


@contextmanager
def host_waits(model: Model) -> Iterator[HostWaits]:
    waits = HostWaits()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any, **kwargs: Any) -> Any:
            # transformers begins a cache layer with torch.tensor([]), for which nothing waits.
            if name != "tensor" or args[0] != []:
                waits.count(name)
            return function(*args, **kwargs)

        return count

    def indexed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(tensor: torch.Tensor, index: Any, *value: Any) -> Any:
            parts = index if isinstance(index, tuple) else [index]
            if any(isinstance(part, list) for part in parts):
                waits.count("an index of the host's numbers")
            return function(tensor, index, *value)

        return run

    ends = [
        (model.layers[0], waits.first_layer),
        (model.hf.get_output_embeddings(), waits.unembedding),
    ]
    with pytest.MonkeyPatch.context() as patched, hooks(on_input=ends), waits:
        for owner, names in ((torch.Tensor, FROM_DEVICE), (torch, TO_DEVICE)):
            for name in names:
                patched.setattr(owner, name, counted(name, getattr(owner, name)))
        for name in ("__getitem__", "__setitem__"):
            patched.setattr(torch.Tensor, name, indexed(getattr(torch.Tensor, name)))
        yield waits


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox", "xglm"])
@pytest.mark.parametrize("n_prompts", [1, 3])
def test_the_host_waits_for_no_row_and_in_no_layer(
    family: str, n_prompts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a GPU, where each step has a table of logits.
    monkeypatch.setattr(decoding, "runs_by_block", lambda *_, **__: False)
    model = tiny_model(family)

    def waits(cells: Any) -> HostWaits:
        requests = [
            Request(SOURCE, TARGET[k:], module, cells, intervention=how)
            for k in range(n_prompts)
            for module in MODULES
            for how in (TRANSPLANT, Intervention("mix", 0.5, steps="every", norm="match"))
        ]
        with host_waits(model) as found:
            transplant_all(model, requests, NEW_TOKENS)
        return found

    one, full = waits([(N_LAYERS - 1, 1)]), waits("full")
    assert one.amid_layers == full.amid_layers == []
    n_batches = n_prompts if model.own_attention else 1
    assert full.outside.count("cpu") == NEW_TOKENS * n_batches
    assert full.outside == one.outside
