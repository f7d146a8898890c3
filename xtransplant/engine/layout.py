"""The rows that a step computes at each layer. Plain numpy, without torch.

A grid row that writes at layer j equals the untouched prompt below j. While decoding it equals
every other row with the same generated tokens up to and including j: the write changes nothing that
a later token reads there. If it writes at every step, it equals them below j. So at layer l a step
computes

    the **own** rows:   rows that have left the trunk, in grid order, then
    the **trunk** rows: one row for each distinct history (generated tokens) among the others.

Grid rows are sorted by the layer at which they leave the trunk, so the own rows are always the
first ones alive. A trunk row is needed up to the deepest grid row of its history; trunk rows are
sorted by that depth, so those still needed are always the last ones. Both facts make a layer's
layout two numbers.
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
    def of(cls, leaves: Ints, history: Ints, n_layers: int) -> StepLayout:
        """Lay out a step for the grid rows alive.

        Args:
            leaves: the layer from which on each computes its own row, ascending; N or more for a
                row that never does.
            history: number of the tokens generated so far; equal numbers mean equal tokens.
            n_layers: N.
        """
        n_own = np.searchsorted(leaves, np.arange(n_layers), side="right")
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
