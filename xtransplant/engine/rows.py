"""A row (one continuation of a target prompt) and its result."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from xtransplant.types import ModuleType


@dataclass(frozen=True, eq=False)
class Row:
    """One continuation of a target prompt, with at most one write.

    Attributes:
        layer: target layer; N for the baseline, which writes nothing.
        module: module whose output is written to; None for the baseline.
        vector: vector to write, [D]; None for the baseline.
        target: index of the target prompt.
        operation: key of `OPERATIONS`, which tells how the vector is written.
    """

    layer: int
    module: ModuleType | None = None
    vector: torch.Tensor | None = None
    target: int = 0
    operation: str = "replace"

    @property
    def in_encoder(self) -> bool:
        """Whether the row writes in the encoder."""
        return self.module is ModuleType.ENCODER_BLOCK


@dataclass(frozen=True, slots=True)
class Continuation:
    """The result of a row.

    Attributes:
        token_ids: new tokens, including the end-of-sequence token.
        option_logprobs: log-probability of each answer option; None without options.
    """

    token_ids: tuple[int, ...]
    option_logprobs: tuple[float, ...] | None = None
