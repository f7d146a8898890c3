"""A row and its result."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from xtransplant.engine.sampling import Draws
from xtransplant.types import ModuleType


@dataclass(frozen=True, eq=False)
class Row:
    """One continuation of a target prompt, with at most one write.

    Attributes:
        layer: target layer; N for the baseline and for tries, which write nothing.
        module: module whose output is written; None for the baseline.
        vector: what is written, [D]; None for the baseline.
        target: number of the target prompt.
        operation: how the vector is put there, one of `OPERATIONS`.
        draws: how its tokens are drawn; None if the most likely ones are chosen.
    """

    layer: int
    module: ModuleType | None = None
    vector: torch.Tensor | None = None
    target: int = 0
    operation: str = "replace"
    draws: Draws | None = None

    @property
    def in_encoder(self) -> bool:
        """Whether the row writes in the encoder."""
        return self.module is ModuleType.ENCODER_BLOCK


@dataclass(frozen=True, slots=True)
class Continuation:
    """The result of a row.

    Attributes:
        token_ids: new tokens, the end-of-sequence token included.
        option_logprobs: log-probability of each answer option; None without options.
    """

    token_ids: tuple[int, ...]
    option_logprobs: tuple[float, ...] | None = None
