"""Writing a row's vector into a module's output at one token.

`put` is the only function that does this, for the engine, the encoder-decoder path and the check at
load. Only the oracle, which these are compared with, has its own code.

Shape suffixes: W rows that are written to, R rows, T tokens, D model width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import torch
from torch import nn

from xtransplant.engine.rows import Row
from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook
from xtransplant.types import ModuleType

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function of the module's outputs and the vectors, both [W, D], that returns the new outputs."""


def _replace(_met_WD: torch.Tensor, vectors_WD: torch.Tensor) -> torch.Tensor:
    return vectors_WD


OPERATIONS: dict[str, Operation] = {"replace": _replace}
"""Operations by name, as in `Row.operation`."""


def put(
    hidden: torch.Tensor,
    rows_W: torch.Tensor,
    vectors_WD: torch.Tensor,
    n_tokens: int,
    token: int,
    operation: str,
) -> torch.Tensor:
    """Return a copy of a module's output with vectors written to some rows, at one token.

    Args:
        hidden: output of the module, [R, T, D], or [R * T, D] as some modules return it.
        rows_W: rows that are written to.
        vectors_WD: vector for each of these rows.
        n_tokens: number T of tokens.
        token: index of the token to write at; negative counts from the end.
        operation: key of `OPERATIONS`.
    """
    written = hidden.clone()
    written_RTD = written.view(-1, n_tokens, written.shape[-1])
    at = (rows_W.to(written.device), token)
    written_RTD[at] = OPERATIONS[operation](written_RTD[at], vectors_WD.to(written))
    return written


def writes(
    model: Model, rows: Sequence[Row], n_tokens: int = 1, token: int = -1, *, encoder: bool = False
) -> list[tuple[nn.Module, Hook]]:
    """Return hooks with which each row writes its vector to its module, in one pass.

    Args:
        model: any supported model.
        rows: rows in the order of the pass; a row without a vector writes nothing.
        n_tokens: number of tokens of each row in the pass.
        token: index of the token to write at.
        encoder: whether the pass is through the encoder (else the decoder); rows that write in the
            other one are ignored.
    """
    vectors: dict[tuple[int, ModuleType, str], dict[int, torch.Tensor]] = {}
    for number, row in enumerate(rows):
        if row.vector is None or row.module is None or row.in_encoder != encoder:
            continue
        vectors.setdefault((row.layer, row.module, row.operation), {})[number] = row.vector
    # Sent before the pass, because a transfer in each layer would wait for the device.
    numbers = [number for of_module in vectors.values() for number in of_module]
    parts = torch.split(
        torch.tensor(numbers, device=model.device), [len(some) for some in vectors.values()]
    )

    def write(rows_W: torch.Tensor, of_module: Mapping[int, torch.Tensor], operation: str) -> Hook:
        vectors_WD = torch.stack(list(of_module.values()))
        return lambda hidden: put(hidden, rows_W, vectors_WD, n_tokens, token, operation)

    return [
        (model.module(module, layer), write(rows_W, of_module, operation))
        for ((layer, module, operation), of_module), rows_W in zip(
            vectors.items(), parts, strict=True
        )
    ]


def joining_writes(model: Model, rows: Sequence[Row]) -> list[tuple[nn.Module, Hook]]:
    """Return hooks with which rows join an encoder's pass over one prompt at their target layer.

    The pass starts with a single row that writes nothing. Below its target layer, each row is equal
    to this one, so at that layer the hook adds the row to the batch as a copy.

    Args:
        model: encoder-decoder model.
        rows: rows that write in the encoder, sorted by target layer.
    """

    def join(vectors: Sequence[torch.Tensor], operation: str) -> Hook:
        def hook(hidden_RTD: torch.Tensor) -> torch.Tensor:
            copies_RTD = hidden_RTD[:1].expand(len(vectors), -1, -1)
            rows_W = torch.arange(len(vectors))
            vectors_WD, n_tokens = torch.stack(list(vectors)), hidden_RTD.shape[1]
            joining_RTD = put(copies_RTD, rows_W, vectors_WD, n_tokens, -1, operation)
            return torch.cat([hidden_RTD, joining_RTD])

        return hook

    return [
        (
            model.encoder_layers[layer],
            join([row.vector for row in some if row.vector is not None], operation),
        )
        for (layer, operation), some in groupby(rows, key=lambda row: (row.layer, row.operation))
    ]
