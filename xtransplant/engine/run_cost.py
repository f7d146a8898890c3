"""The cost of a part of a run, for the manifest, where reports read it without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xtransplant.config.intervention import Intervention
from xtransplant.engine.flops import grid_flops, model_size
from xtransplant.engine.profiling import Work
from xtransplant.engine.rows import WRITES_AGAIN
from xtransplant.types import Cell


def part_cost(
    work: Work,
    model_config: Any,
    n_layers: int,
    cells: Sequence[Cell],
    lengths: Sequence[tuple[int, int]],
    max_new_tokens: int,
    intervention: Intervention,
) -> dict[str, float | None]:
    """Return the measured and estimated cost of a part, summed over its instances.

    Args:
        work: measurements of the part.
        model_config: configuration of the model.
        n_layers: number of layers of the model.
        cells: cells of the grid.
        lengths: number of tokens of each pair of prompts, of the source and of the target; 0 for a
            source that is not read.
        max_new_tokens: most tokens generated per cell.
        intervention: of the cells.

    Returns:
        `n_layers`; `n_instances`; `seconds` (wall time); `peak_bytes` (memory beyond the weights,
        None where the system does not tell); `source_tokens` and `target_tokens` (tokens of the
        prompts read); `layer_parameters` and `unembedding_parameters` (matmul parameters of all
        layers together, and of the unembedding; None for an encoder-decoder model, whose encoder is
        not counted); and FLOPs estimated as in the dry run: `baseline_flops`, and `grid_flops`
        (baseline and all cells).
    """
    size = model_size(model_config)
    again = WRITES_AGAIN[intervention.steps]
    counted = not model_config.is_encoder_decoder

    def flops(some: Sequence[Cell], sources: int) -> float:
        return sum(
            grid_flops(
                *(size, n_layers, some, source * sources, target, max_new_tokens),
                writes_again=again,
            )
            for source, target in lengths
        )

    return {
        "n_layers": n_layers,
        "n_instances": len(lengths),
        "seconds": work.seconds,
        "peak_bytes": work.peak_bytes,
        "source_tokens": sum(source for source, _ in lengths),
        "target_tokens": sum(target for _, target in lengths),
        "layer_parameters": size.layers if counted else None,
        "unembedding_parameters": size.unembedding if counted else None,
        "baseline_flops": flops([], 0),
        "grid_flops": flops(cells, 1),
    }
