"""How rows that leave the trunk join the batch: index arrays of a step, and hooks that use them.

`layout` explains trunk rows and own rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from xtransplant.engine.attention import Places
from xtransplant.engine.layout import Ints, StepLayout
from xtransplant.engine.prefix_cache import Move
from xtransplant.models.hooks import Hook

Indices = Sequence[torch.Tensor | None]


class Growth:
    """Pre-hooks of the decoder layers; their index arrays are set before each step.

    Attributes:
        gathers: indices, for each layer, of the rows of the layer below that its rows start from;
            None if they are the same rows.
        positions: indices, for each layer, of the embedded rows whose positions its rows have; None
            if all rows have the same position.
        n_embedded: number of embedded rows.
    """

    def __init__(self) -> None:
        self.gathers: Indices = ()
        self.positions: Indices = ()
        self.n_embedded = 0

    def on_input(self, layers: Sequence[nn.Module]) -> list[tuple[nn.Module, Hook]]:
        """Return a hook on each layer's hidden states."""
        return [(part, self._gather(layer)) for layer, part in enumerate(layers)]

    def on_positions(self, layers: Sequence[nn.Module]) -> list[tuple[nn.Module, Hook]]:
        """Return a hook on each layer's position tensors."""
        return [(part, self._place(layer)) for layer, part in enumerate(layers)]

    def _gather(self, layer: int) -> Hook:
        def gather(rows: torch.Tensor) -> torch.Tensor | None:
            index = self.gathers[layer]
            return None if index is None else rows.index_select(0, index.to(rows.device))

        return gather

    def _place(self, layer: int) -> Hook:
        def place(rows: torch.Tensor) -> torch.Tensor | None:
            index, n_embedded = self.positions[layer], self.n_embedded
            of_all = rows.dim() < 2 or rows.shape[0] == 1 < n_embedded
            if index is None or of_all:
                return None
            # ALiBi's biases have rows and heads in one dimension.
            by_row = rows.reshape(n_embedded, -1, *rows.shape[1:])
            return by_row.index_select(0, index.to(rows.device)).flatten(0, 1)

        return place


def gathers(layout: StepLayout, n_layers: int, device: torch.device) -> Indices:
    """Return for each layer the rows of the layer below that its rows start from; None if equal."""
    n_own = np.concatenate([[0], layout.n_own])
    return _on_device(
        [
            layout.slots(layer - 1, layout.rows(layer)) if n_own[layer + 1] > n_own[layer] else None
            for layer in range(n_layers)
        ],
        device,
    )


def positions(layout: StepLayout, n_layers: int, device: torch.device) -> Indices:
    """Return for each layer the embedded rows whose positions its rows have."""
    return _on_device([layout.slots(-1, layout.rows(layer)) for layer in range(n_layers)], device)


def moves(
    previous: StepLayout, layout: StepLayout, parent: Ints, n_layers: int, device: torch.device
) -> list[Move | None]:
    """Return for each layer how its rows continue earlier suffixes; None if no suffix moves."""
    firsts, parents = [], []
    for layer in range(n_layers):
        rows = previous.slots(layer, parent[layout.rows(layer)])
        moved = np.flatnonzero(rows != np.arange(len(rows)))
        firsts.append(int(moved[0]) if len(moved) else len(rows))
        parents.append(rows[firsts[-1] :] if len(moved) else None)
    return [
        None if moved_rows is None else Move(first, moved_rows)
        for first, moved_rows in zip(firsts, _on_device(parents, device), strict=True)
    ]


def parents(
    previous: StepLayout | None,
    layout: StepLayout,
    parent: Ints,
    prompt: Ints,
    layers: Sequence[int],
    device: torch.device,
) -> dict[int, torch.Tensor]:
    """Return the rows of the previous step (at first: prompts) that each layer continues."""
    indices = [
        prompt[layout.rows(layer)]
        if previous is None
        else previous.slots(layer, parent[layout.rows(layer)])
        for layer in layers
    ]
    sent = _on_device(indices, device)
    return {layer: index for layer, index in zip(layers, sent, strict=True) if index is not None}


def places(
    layout: StepLayout, prompt: Ints, n_prompts: int, n_layers: int, device: torch.device
) -> list[Places]:
    """Return for each layer the places of its rows in a table with one line per prompt."""
    widths, indices = [], []
    for layer in range(n_layers):
        of_row = prompt[layout.rows(layer)]
        counts = np.bincount(of_row, minlength=n_prompts)
        order = np.argsort(of_row, kind="stable")
        in_line = np.empty_like(of_row)
        in_line[order] = np.arange(len(of_row)) - np.repeat(np.cumsum(counts) - counts, counts)
        widths.append(int(counts.max()))
        indices.append(of_row * widths[-1] + in_line)
    return [
        Places(n_prompts, width, index)
        for width, index in zip(widths, _on_device(indices, device), strict=True)
    ]


def _on_device(indices: Sequence[Ints | None], device: torch.device) -> Indices:
    """Send index arrays to the device in one transfer."""
    lengths = [0 if index is None else len(index) for index in indices]
    sent = torch.from_numpy(
        np.concatenate([np.zeros(0, np.int64), *(index for index in indices if index is not None)])
    ).to(device)
    parts = torch.split(sent, lengths)
    return [None if index is None else part for index, part in zip(indices, parts, strict=True)]
