"""What a run cost, as its manifest tells it; `xtransplant.engine.run_cost` measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite


@dataclass(frozen=True, kw_only=True)
class RecordedCost:
    """The cost of all instances of a run together.

    Attributes:
        n_layers: N of the model.
        n_instances: number of instances.
        seconds: wall time, baseline included.
        source_tokens: of the source prompts.
        target_tokens: of the target prompts.
        baseline_flops: estimate for the baselines alone.
        cell_flops: estimate for one fixed cell at target layer 0, the dearest.
        grid_flops: estimate for the baselines and all cells.
        peak_bytes: memory beyond the weights, None where the system does not tell.
    """

    n_layers: int
    n_instances: int
    seconds: float
    source_tokens: int
    target_tokens: int
    baseline_flops: float
    cell_flops: float
    grid_flops: float
    peak_bytes: float | None = None

    @classmethod
    def read(cls, cost: Mapping[str, float | None]) -> RecordedCost | None:
        """Read the costs of a manifest; None if a figure is missing, or no cost of a run."""
        found = {field.name: cost.get(field.name) for field in fields(cls)}
        for name, value in found.items():
            if value is None and name == "peak_bytes":
                continue
            if value is None or not (isfinite(value) and value >= 0):
                return None
        if not (found["n_layers"] and found["n_instances"]):
            return None
        return cls(**found)  # type: ignore[arg-type]
