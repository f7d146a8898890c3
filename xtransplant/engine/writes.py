"""The write: where a row's vector takes the place of a module's output, in whichever pass.

The engine, the encoder-decoder path and the probe at load all write by `put`; only the oracle has
words of its own.

Shape suffixes: W rows that are written to, R rows, T tokens, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import nn

from xtransplant.engine.rows import Row
from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook
from xtransplant.types import ModuleType


def put(
    hidden: torch.Tensor, rows_W: torch.Tensor, vectors_WD: torch.Tensor, n_tokens: int, token: int
) -> torch.Tensor:
    """Return hidden states with a vector in some rows, at one of their tokens.

    Args:
        hidden: a module's output, [R, T, D], or [R * T, D] as some modules return it.
        rows_W: the rows that are written to.
        vectors_WD: what is written to each.
        n_tokens: T.
        token: the place among them, negative from the end.
    """
    written = hidden.clone()
    written_RTD = written.view(-1, n_tokens, written.shape[-1])
    written_RTD[rows_W.to(written.device), token] = vectors_WD.to(written)
    return written


def writes(
    model: Model, rows: Sequence[Row], n_tokens: int = 1, token: int = -1, *, encoder: bool = False
) -> list[tuple[nn.Module, Hook]]:
    """Return hooks by which each row writes its vector to its module, in one pass.

    Args:
        model: any supported model.
        rows: those of the pass, in its order; a row without a vector writes nothing.
        n_tokens: tokens of each row in the pass.
        token: which of them is written.
        encoder: whether the pass is the encoder's; what rows write on the other side is left out.
    """
    vectors: dict[tuple[int, ModuleType], dict[int, torch.Tensor]] = {}
    for number, row in enumerate(rows):
        if row.vector is None or row.module is None or row.in_encoder != encoder:
            continue
        vectors.setdefault((row.layer, row.module), {})[number] = row.vector
    # Sent before the pass: in it, each layer's transfer would wait for the device.
    numbers = [number for of_module in vectors.values() for number in of_module]
    parts = torch.split(
        torch.tensor(numbers, device=model.device), [len(some) for some in vectors.values()]
    )

    def write(rows_W: torch.Tensor, vectors_WD: torch.Tensor) -> Hook:
        return lambda hidden: put(hidden, rows_W, vectors_WD, n_tokens, token)

    return [
        (model.module(module, layer), write(rows_W, torch.stack(list(of_module.values()))))
        for ((layer, module), of_module), rows_W in zip(vectors.items(), parts, strict=True)
    ]


def joining_writes(model: Model, rows: Sequence[Row]) -> list[tuple[nn.Module, Hook]]:
    """Return hooks by which rows join an encoder's pass over one prompt, at the layer they write.

    Below it a row equals the first one of the batch, which writes nothing: it joins as its copy.

    Args:
        model: an encoder-decoder model.
        rows: that write in the encoder, by ascending layer.
    """

    def join(vectors: Sequence[torch.Tensor]) -> Hook:
        def hook(hidden_RTD: torch.Tensor) -> torch.Tensor:
            copies_RTD = hidden_RTD[:1].expand(len(vectors), -1, -1)
            rows_W = torch.arange(len(vectors))
            n_tokens = hidden_RTD.shape[1]
            joining_RTD = put(copies_RTD, rows_W, torch.stack(list(vectors)), n_tokens, -1)
            return torch.cat([hidden_RTD, joining_RTD])

        return hook

    return [
        (model.encoder_layers[layer], join([row.vector for row in some if row.vector is not None]))
        for layer, some in groupby(rows, key=lambda row: row.layer)
    ]
