"""Tokens that are drawn from the untouched model, for the control `samples`.

A cell of such a grid only numbers a try. Each try has one uniform number a step, made of a counter
(seed, try, step) and nothing else, so that neither the batch nor the order of the tries changes a
token. The number is looked up in the cumulative distribution of the next token, in float64. A row
that samples writes nothing: rows with the same tokens so far share all layers.

Shape suffixes: R rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from xtransplant.draws import uniform
from xtransplant.engine.layout import Ints
from xtransplant.types import Cell


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the tries of a grid are drawn.

    Attributes:
        seed: of the grid: of the run and the instance.
        temperature: number above 0 by which logits are divided.
    """

    seed: int
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Draws:
    """The draws of one try: how they are drawn, and the cell that numbers it."""

    sampling: Sampling
    cell: Cell

    def uniform(self, step: int) -> float:
        """Return the uniform number of a step, 0 <= u < 1."""
        return uniform(self.sampling.seed, self.cell, step)


def drawn_tokens(
    logits_RV: torch.Tensor, rows: Sequence[int], draws: Sequence[Draws], step: int
) -> Ints:
    """Return the token that each of some tries draws.

    Args:
        logits_RV: logits of the rows of a step.
        rows: for each try, its row; tries with the same tokens so far have the same one.
        draws: draws of each try.
        step: number of the new token, from 0.
    """
    tries: dict[tuple[int, float], list[int]] = {}
    for number, (row, of_try) in enumerate(zip(rows, draws, strict=True)):
        tries.setdefault((int(row), of_try.sampling.temperature), []).append(number)
    found = np.zeros(len(draws), np.int64)
    for (row, temperature), numbers in tries.items():
        cumulative_V = _cumulative(logits_RV[row], temperature)
        uniform = np.array([draws[number].uniform(step) for number in numbers])
        found[numbers] = np.searchsorted(cumulative_V, uniform * cumulative_V[-1], side="right")
    return found


def _cumulative(logits_V: torch.Tensor, temperature: float) -> npt.NDArray[np.float64]:
    """Return the cumulative distribution of the next token, times a constant."""
    scaled_V = logits_V.double().cpu().numpy() / temperature
    return np.asarray(np.exp(scaled_V - scaled_V.max()).cumsum())
