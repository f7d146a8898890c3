"""What a run's work cost, for its manifest: a report reads it where there is no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xtransplant.engine.flops import grid_flops, model_size
from xtransplant.engine.profiling import Work
from xtransplant.types import Cell, PromptPair


def cost_record(
    work: Work,
    model_config: Any,
    n_layers: int,
    cells: Sequence[Cell],
    prompts: Sequence[PromptPair],
    max_new_tokens: int,
) -> dict[str, float | None]:
    """Return what was measured and estimated, all of it over the instances of this process.

    Keys: `n_layers`; `n_instances`; `seconds` (wall time); `peak_bytes` (memory beyond the weights,
    None where the system does not tell); `source_tokens`, `target_tokens` (of the prompts);
    `baseline_flops`, `cell_flops` (baseline and one cell at target layer 0, the dearest) and
    `grid_flops` (baseline and all cells), estimated as the dry run does.
    """
    size = model_size(model_config)
    lengths = [(len(pair.source.token_ids), len(pair.target.token_ids)) for pair in prompts]

    def flops(some: Sequence[Cell], sources: int) -> float:
        return sum(
            grid_flops(size, n_layers, some, source * sources, target, max_new_tokens)
            for source, target in lengths
        )

    return {
        "n_layers": n_layers,
        "n_instances": len(lengths),
        "seconds": work.seconds,
        "peak_bytes": work.peak_bytes,
        "source_tokens": sum(source for source, _ in lengths),
        "target_tokens": sum(target for _, target in lengths),
        "baseline_flops": flops([], 0),
        "cell_flops": flops([Cell(0, 0)], 1),
        "grid_flops": flops(cells, 1),
    }
