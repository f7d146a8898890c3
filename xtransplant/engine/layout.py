"""The rows that a step computes at each layer. Plain numpy, without torch.

A grid row that writes at layer j is equal to the prompt without a write below j. In later steps it
is equal, up to and including layer j, to every other row with the same generated tokens: up to
there, later tokens read nothing that the write has changed. So at layer l a step computes

    the **own** rows:   rows that have left the trunk, in grid order, then
    the **trunk** rows: one row for each distinct history (generated tokens) among the others.

Grid rows are sorted by target layer, so the own rows always come first. A trunk row is needed up to
the target layer of the deepest grid row of its history. Trunk rows are sorted by that depth, so the
rows still needed always come last. A layer's layout therefore consists of two numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class StepLayout:
    """The rows of one decoding step.

    Attributes:
        n_own: number of active grid rows that compute their own row, for each layer 0..N-1.
        history: number of the history of each active grid row; histories are numbered in the order
            of their deepest grid rows.
    """

    n_own: Ints
    history: Ints
    _deepest: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        deepest = np.zeros(int(self.history.max()) + 1, np.int64)
        np.maximum.at(deepest, self.history, np.arange(len(self.history)))
        object.__setattr__(self, "_deepest", deepest)

    @classmethod
    def of(cls, target_layers: Ints, history: Ints, n_layers: int, *, first: bool) -> StepLayout:
        """Lay out a step for the active grid rows.

        Args:
            target_layers: target layer of each row, ascending; N for a row that writes nothing.
            history: number that identifies the tokens generated so far.
            n_layers: number N of layers.
            first: whether this is the pass over the last prompt token, in which a row writes and
                leaves the trunk *at* its target layer. In later steps it leaves *after* it.
        """
        layers = np.arange(n_layers)
        n_own = np.searchsorted(target_layers, layers, side="right" if first else "left")
        return cls(n_own, _number_by_deepest(history))

    def rows(self, layer: int) -> Ints:
        """Return the index of an active grid row for each computed row of the layer.

        Layer -1 stands for the embeddings, where all rows are on the trunk.
        """
        n_own, first_needed = self._bounds(layer)
        return np.concatenate([np.arange(n_own), self._deepest[first_needed:]])

    def slots(self, layer: int, rows: Ints) -> Ints:
        """Return for each of some grid rows the computed row of the layer that holds its value."""
        n_own, first_needed = self._bounds(layer)
        return np.where(rows < n_own, rows, n_own + self.history[rows] - first_needed)

    def _bounds(self, layer: int) -> tuple[int, int]:
        n_own = int(self.n_own[layer]) if layer >= 0 else 0
        return n_own, int(np.searchsorted(self._deepest, n_own))


def _number_by_deepest(history: Ints) -> Ints:
    deepest = np.full(int(history.max()) + 1, -1, np.int64)
    np.maximum.at(deepest, history, np.arange(len(history)))
    order = np.argsort(deepest, kind="stable")  # unused numbers sort to the front
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[history] - int((deepest < 0).sum())
