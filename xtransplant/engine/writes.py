"""The write: a row's vector is put into a module's output.

`put` is the only function that does this, for the engine, the encoder-decoder path and the check at
load. Only the oracle, which these are compared with, has its own code.

Shape suffixes: W rows that are written to, R rows, T tokens, D model width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from xtransplant.config import schema
from xtransplant.config.intervention import Intervention
from xtransplant.engine.layout import Ints
from xtransplant.engine.rows import WRITES_AGAIN, Row
from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook
from xtransplant.registry import handlers

Operation = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
"""From what a write meets, [W, T, D], vectors, [W, 1, D], and alpha to what stands there after."""

OPERATIONS: dict[str, Operation] = handlers(
    "intervention.op",
    schema.OPERATIONS,
    {
        "replace": lambda _met_WTD, vectors_W1D, _alpha: vectors_W1D,
        "add": lambda met_WTD, vectors_W1D, alpha: met_WTD + alpha * vectors_W1D,
        "mix": lambda met_WTD, vectors_W1D, alpha: (1 - alpha) * met_WTD + alpha * vectors_W1D,
    },
)
"""By value of `intervention.op`."""


def _match(met_WTD: torch.Tensor, vectors_W1D: torch.Tensor) -> torch.Tensor:
    """Return the vectors in the length of what they meet; a zero vector stays zero."""
    lengths_W11 = vectors_W1D.float().norm(dim=-1, keepdim=True)
    wanted_WT1 = met_WTD.float().norm(dim=-1, keepdim=True)
    scaled_WTD: torch.Tensor = vectors_W1D * (
        wanted_WT1 / torch.where(lengths_W11 > 0, lengths_W11, 1)
    )
    return scaled_WTD.to(met_WTD.dtype)


NORMS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = handlers(
    "intervention.norm",
    schema.NORMS,
    {"none": lambda _met_WTD, vectors_W1D: vectors_W1D, "match": _match},
)
"""By value of `intervention.norm`; arguments as of an `Operation`."""


@dataclass(frozen=True, eq=False)
class Content:
    """What some rows write to one module.

    Attributes:
        intervention: how the vectors are put there.
        vectors_WD: vector of each row.
        directions_WD: direction of each row, see `Row`; None if they have none.
    """

    intervention: Intervention
    vectors_WD: torch.Tensor
    directions_WD: torch.Tensor | None = None

    def select(self, index_W: torch.Tensor) -> Content:
        """Return what some of the rows write."""
        index_W = index_W.to(self.vectors_WD.device)
        along = self.directions_WD
        return Content(
            self.intervention,
            self.vectors_WD.index_select(0, index_W),
            None if along is None else along.index_select(0, index_W),
        )

    def put_on(self, met_WTD: torch.Tensor) -> torch.Tensor:
        """Return what stands after the write where `met_WTD` stood, [W, T, D] or [W, 1, D]."""
        how = self.intervention
        vectors_WTD = NORMS[how.norm](met_WTD, self.vectors_WD.to(met_WTD)[:, None])
        if self.directions_WD is not None:
            far_WT1 = (vectors_WTD - met_WTD).float().norm(dim=-1, keepdim=True).to(met_WTD)
            vectors_WTD = met_WTD + far_WT1 * self.directions_WD.to(met_WTD)[:, None]
        return OPERATIONS[how.op](met_WTD, vectors_WTD, how.alpha)


def put(
    hidden: torch.Tensor, rows_W: torch.Tensor, content: Content, n_tokens: int, tokens: slice
) -> torch.Tensor:
    """Return a copy of a module's output with vectors put into some rows, at some tokens.

    Args:
        hidden: output of the module, [R, T, D], or [R * T, D] as some modules return it.
        rows_W: rows that are written to.
        content: what they write.
        n_tokens: T.
        tokens: the written tokens.
    """
    written = hidden.clone()
    written_RTD = written.view(-1, n_tokens, written.shape[-1])
    at = (rows_W.to(written.device), tokens)
    written_RTD[at] = content.put_on(written_RTD[at])
    return written


@dataclass(frozen=True, eq=False)
class _Group:
    """Rows that write to one module in the same way.

    Attributes:
        part: the module.
        rows: their numbers, ascending.
        content: what they write.
    """

    part: nn.Module
    rows: Ints
    content: Content

    @property
    def again(self) -> bool:
        """Whether they write in the passes over their new tokens too."""
        return WRITES_AGAIN[self.content.intervention.steps]

    def hook(self, rows_W: torch.Tensor, index_W: torch.Tensor, n_tokens: int, token: int) -> Hook:
        """Return a hook by which some of them, `rows_W` of the pass, write from a token on."""
        content = self.content.select(index_W)
        # Tokens of the pass after the prompt's last one are new ones.
        tokens = slice(token, None) if self.again else slice(token, token + 1 or None)
        return lambda hidden: put(hidden, rows_W, content, n_tokens, tokens)


class Writes:
    """The writes of rows that run together; what each module is given is collected once.

    Args:
        model: any supported model.
        rows: rows of the batch; one without a vector writes nothing.
        encoder: whether passes are through the encoder. Rows that write on the other side are left
            out.
    """

    def __init__(self, model: Model, rows: Sequence[Row], *, encoder: bool = False) -> None:
        self._device = model.device
        self._all = np.arange(len(rows))
        found: dict[tuple[nn.Module, Intervention, bool], list[tuple[int, int]]] = {}
        for number, row in enumerate(rows):
            if row.module is None or row.in_encoder != encoder:
                continue
            for place, part in enumerate(model.written(row.module, row.layer)):
                key = part, row.intervention, row.direction is not None
                found.setdefault(key, []).append((number, place))
        self.groups = [
            _Group(part, np.array([number for number, _ in at]), _content(rows, at, intervention))
            for (part, intervention, _), at in found.items()
        ]

    def hooks(
        self, rows: Ints | None = None, n_tokens: int = 1, token: int = -1, *, again: bool = False
    ) -> list[tuple[nn.Module, Hook]]:
        """Return hooks by which the rows of one pass write.

        Args:
            rows: number of each row of the pass; None for all, in their order.
            n_tokens: number of tokens of each row in the pass.
            token: index of the prompt's last token among them. It is written; of rows that write
                again, all tokens from there on.
            again: whether the pass reads new tokens alone, so that only such rows write.
        """
        groups = [group for group in self.groups if group.again or not again]
        if not groups:
            return []
        of_pass = self._all if rows is None else rows
        places = [np.flatnonzero(np.isin(of_pass, group.rows)) for group in groups]
        members = [
            np.searchsorted(group.rows, of_pass[at])
            for group, at in zip(groups, places, strict=True)
        ]
        # Sent before the pass: during it, a transfer in each layer would wait for the device.
        sent = torch.from_numpy(np.stack([_joined(places), _joined(members)])).to(self._device)
        parts = torch.split(sent, [len(at) for at in places], 1)
        return [
            (group.part, group.hook(both[0], both[1], n_tokens, token))
            for group, both in zip(groups, parts, strict=True)
            if both.shape[1]
        ]


def _content(
    rows: Sequence[Row], at: Sequence[tuple[int, int]], intervention: Intervention
) -> Content:
    """Return what rows write to one module.

    Args:
        rows: all rows.
        at: number of each that writes, and the place of the module's vector among its own.
        intervention: theirs.
    """

    def stacked(name: str) -> torch.Tensor | None:
        whole = [(getattr(rows[number], name), place) for number, place in at]
        found = [
            vectors.reshape(-1, vectors.shape[-1])[place]
            for vectors, place in whole
            if vectors is not None
        ]
        return torch.stack(found) if found else None

    vectors_WD = stacked("vector")
    assert vectors_WD is not None, "a row with a module has a vector"
    return Content(intervention, vectors_WD, stacked("direction"))


def _joined(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *arrays])


def joining_order(row: Row) -> tuple[int, str, bool]:
    """Return a key that sorts rows by target layer, those that write in the same way together."""
    return row.layer, repr(row.intervention), row.direction is not None


def joining_writes(model: Model, rows: Sequence[Row]) -> list[tuple[nn.Module, Hook]]:
    """Return hooks with which rows join an encoder's pass over one prompt at their target layer.

    The pass starts with a single row that writes nothing. Below its target layer, each row is equal
    to this one, so at that layer the hook adds the row to the batch as a copy.

    Args:
        model: encoder-decoder model.
        rows: rows that write in the encoder, in the order of `joining_order`.
    """

    def join(group: _Group) -> Hook:
        def hook(hidden_RTD: torch.Tensor) -> torch.Tensor:
            n_tokens = hidden_RTD.shape[1]
            copies_RTD = hidden_RTD[:1].expand(len(group.rows), -1, -1)
            rows_W = torch.arange(len(group.rows))
            joining_RTD = put(copies_RTD, rows_W, group.content, n_tokens, slice(-1, None))
            return torch.cat([hidden_RTD, joining_RTD])

        return hook

    return [(group.part, join(group)) for group in Writes(model, rows, encoder=True).groups]
