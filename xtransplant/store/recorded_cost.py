"""The cost of a run as recorded in its manifest; `xtransplant.engine.run_cost` measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite

NULLABLE = ("layer_parameters", "unembedding_parameters", "peak_bytes")
"""Values that a manifest may lack."""


@dataclass(frozen=True, kw_only=True)
class RecordedCost:
    """The cost of all instances of a run together.

    Attributes:
        n_layers: number of layers of the model.
        n_instances: number of instances.
        seconds: wall time, baseline included.
        source_tokens: number of tokens of the source prompts.
        target_tokens: number of tokens of the target prompts.
        baseline_flops: estimate for the baselines alone, all new tokens generated.
        grid_flops: estimate for the baselines and all cells, all new tokens generated.
        layer_parameters: matmul parameters of all layers together; None in manifests of version
            0.1.0 and for encoder-decoder models.
        unembedding_parameters: matmul parameters of the unembedding; None as above.
        peak_bytes: peak memory beyond the weights; None if the system does not report it.
    """

    n_layers: int
    n_instances: int
    seconds: float
    source_tokens: int
    target_tokens: int
    baseline_flops: float
    grid_flops: float
    layer_parameters: float | None = None
    unembedding_parameters: float | None = None
    peak_bytes: float | None = None

    @classmethod
    def read(cls, cost: Mapping[str, float | None]) -> RecordedCost | None:
        """Read the costs of a manifest; return None if a value is missing or invalid."""
        found = {field.name: cost.get(field.name) for field in fields(cls)}
        for name, value in found.items():
            if value is None and name in NULLABLE:
                continue
            if value is None or not (isfinite(value) and value >= 0):
                return None
        if not (found["n_layers"] and found["n_instances"]):
            return None
        return cls(**found)  # type: ignore[arg-type]

    def prompt_flops(self, new_tokens: float) -> float | None:
        """Estimate the FLOPs of answering one target prompt without a transplant.

        Only matrix products are counted: two operations per parameter and token. The pass over the
        prompt yields the first new token, and no layer reads the last one.

        Args:
            new_tokens: mean number of generated tokens per instance.

        Returns:
            Mean FLOPs per instance; None if the manifest lacks the numbers of parameters.
        """
        if self.layer_parameters is None or self.unembedding_parameters is None:
            return None
        read = self.target_tokens / self.n_instances + new_tokens - 1
        return 2 * (self.layer_parameters * read + self.unembedding_parameters * new_tokens)

    def cell_flops(self, source_layer: int, new_tokens: float) -> float | None:
        """Estimate the FLOPs of one instance with one fixed cell, as in practical use.

        The source prompt goes through the layers up to `source_layer` and no further. No baseline
        is decoded. The target layer does not matter: every layer reads the target prompt anyway.

        Args:
            source_layer: source layer of the cell, from 0.
            new_tokens: as for `prompt_flops`.
        """
        prompt = self.prompt_flops(new_tokens)
        if prompt is None or self.layer_parameters is None:
            return None
        layers_read = self.layer_parameters * (source_layer + 1) / self.n_layers
        return prompt + 2 * layers_read * self.source_tokens / self.n_instances
