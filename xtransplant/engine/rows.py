"""A row, which is decoded, and what it yields."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from xtransplant.types import ModuleType


@dataclass(frozen=True, eq=False)
class Row:
    """A continuation of a target prompt: a vector, [D], written to a layer's module output.

    A row that writes nothing, the baseline, has no vector and the layer N. `target` is the number
    of its prompt.
    """

    layer: int
    module: ModuleType | None = None
    vector: torch.Tensor | None = None
    target: int = 0

    @property
    def in_encoder(self) -> bool:
        """Whether it writes in the encoder."""
        return self.module is ModuleType.ENCODER_BLOCK


@dataclass(frozen=True, slots=True)
class Continuation:
    """A row's new tokens, the end-of-sequence token included, and its options' probabilities."""

    token_ids: tuple[int, ...]
    option_logprobs: tuple[float, ...] | None = None
