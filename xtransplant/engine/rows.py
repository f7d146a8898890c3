"""A row (one continuation of a target prompt) and its result."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from xtransplant.config import schema
from xtransplant.config.intervention import TRANSPLANT, Intervention
from xtransplant.engine.sampling import Draws
from xtransplant.registry import handlers
from xtransplant.types import ModuleType

WRITES_AGAIN = handlers("intervention.steps", schema.STEPS, {"first": False, "every": True})
"""Whether a row writes in the passes over its new tokens too."""


@dataclass(frozen=True, eq=False)
class Row:
    """One continuation of a target prompt, with at most one write a pass.

    Attributes:
        layer: target layer; N for the baseline and for tries, which write nothing.
        module: module whose output is written; None for the baseline.
        vector: vector that is put there, [D], or [M, D] for M modules that are written together;
            None for the baseline.
        target: number of the target prompt.
        intervention: how the vector is put there, and in which passes.
        direction: unit vectors of the shape of `vector`. If given, the output moves along them, as
            far as it would have moved otherwise.
        draws: how its tokens are drawn; None if the most likely ones are chosen.
    """

    layer: int
    module: ModuleType | None = None
    vector: torch.Tensor | None = None
    target: int = 0
    intervention: Intervention = TRANSPLANT
    direction: torch.Tensor | None = None
    draws: Draws | None = None

    @property
    def in_encoder(self) -> bool:
        """Whether the row writes in the encoder."""
        return self.module is ModuleType.ENCODER_BLOCK

    @property
    def writes_again(self) -> bool:
        """Whether the row writes in the passes over its new tokens too."""
        return WRITES_AGAIN[self.intervention.steps]

    @property
    def leaves(self) -> int:
        """The layer at which the row leaves the trunk in the passes over its new tokens.

        A row that writes there again leaves at its target layer, another one behind it.
        """
        return self.layer if self.writes_again else self.layer + 1


@dataclass(frozen=True, slots=True)
class Continuation:
    """The result of a row.

    Attributes:
        token_ids: new tokens, including the end-of-sequence token.
        option_logprobs: log-probability of each answer option; None without options.
    """

    token_ids: tuple[int, ...]
    option_logprobs: tuple[float, ...] | None = None
