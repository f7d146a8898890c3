"""The fast engine against the naive oracle, on a run's checkpoint and first prompt pair."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from xtransplant.config.grid_file import run_cells
from xtransplant.config.schema import GridConfig, RunConfig
from xtransplant.engine import oracle
from xtransplant.engine.load_model import load_model
from xtransplant.engine.transplant import transplant
from xtransplant.errors import ConfigError
from xtransplant.models.architecture import n_layers
from xtransplant.models.families import Model
from xtransplant.progress import OnStep, silent
from xtransplant.runner.plan import make_plan, weights_arguments
from xtransplant.terminal import Console
from xtransplant.types import Cell, ModuleType, PromptPair


@dataclass(frozen=True)
class Comparison:
    """One module's cells, engine beside oracle.

    Attributes:
        module: what was transplanted.
        n_cells: cells compared.
        different: cells whose tokens are not the oracle's.
        n_changed: cells whose oracle tokens differ from the untouched prompt's; where it is 0,
            equality shows little.
        baseline_equal: whether the untouched prompt's tokens are equal.
    """

    module: ModuleType
    n_cells: int
    different: tuple[Cell, ...]
    n_changed: int
    baseline_equal: bool

    @property
    def identical(self) -> bool:
        """Whether every token is the oracle's."""
        return self.baseline_equal and not self.different


def run_check(
    config: RunConfig, console: Console, *, n_cells: int, modules: Sequence[ModuleType] = ()
) -> bool:
    """Compare both on the run's first prompt pair, show a table, return whether all are identical.

    The cells are a random sample of each module's grid, by `seed`; the modules all that the model
    has, if none are given.
    """
    if config.dry_run:
        raise ConfigError("dry_run=true has no effect on check; leave it out")
    if config.control == "noise":
        raise ConfigError(
            "control=noise has no effect on check, which transplants what it captured; leave it out"
        )
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
        model = load_model(**weights_arguments(config), on_step=on_step)
    samples = {
        module: _sample(module_cells(model, config.grid, module), n_cells, config.seed)
        for module in modules or model.module_types
    }
    part = plan.parts[0]
    console.info(
        f"{config.model.name} in {config.model.dtype}, {config.task.name} {part.instances[0].id} "
        f"({part.language}), {sum(map(len, samples.values()))} cells, one generate each"
    )
    with console.steps() as on_step:
        comparisons = [
            compare(
                model,
                part.prompts[0],
                module,
                cells,
                config.decode.max_new_tokens,
                config.rows_per_batch,
                on_step,
            )
            for module, cells in samples.items()
        ]
    console.table(
        ("module", "cells", "identical", "changed", "differing cells"),
        [
            (
                comparison.module,
                str(comparison.n_cells),
                str(comparison.n_cells - len(comparison.different)),
                str(comparison.n_changed),
                " ".join(map(str, comparison.different))
                + ("" if comparison.baseline_equal else " baseline"),
            )
            for comparison in comparisons
        ],
    )
    identical = all(comparison.identical for comparison in comparisons)
    n_changed = sum(comparison.n_changed for comparison in comparisons)
    console.write(
        f"{n_changed} of {sum(map(len, samples.values()))} transplants changed the answer; "
        + ("identical, token for token" if identical else "NOT identical: see the differing cells")
    )
    if unchanged := [c.module for c in comparisons if c.n_changed == 0]:
        console.info(
            f"warning: no transplant of {', '.join(unchanged)} changed the answer, so that being "
            "identical shows little there; try more --cells, new tokens or another prompt"
        )
    return identical


def module_cells(model: Model, grid: GridConfig, module: ModuleType) -> list[Cell]:
    """List the cells of a grid in a module, without those whose layers lack it, as in hybrids.

    All of them, if none has: then `transplant` refuses the first.

    Raises:
        LayerError: a module that the model does not have, or a layer outside 0..N-1 of it.
    """
    cells = run_cells(grid, n_layers(model.hf.config, module))
    parts = model.modules(module)
    having = [
        cell
        for cell in cells
        if parts[cell.source_layer] is not None and parts[cell.target_layer] is not None
    ]
    return having or cells


def _sample(cells: Sequence[Cell], n_cells: int, seed: int) -> list[Cell]:
    return random.Random(seed).sample(cells, min(n_cells, len(cells)))


def compare(
    model: Model,
    prompts: PromptPair,
    module: ModuleType,
    cells: Sequence[Cell],
    max_new_tokens: int,
    rows_per_batch: int | None = None,
    on_step: OnStep = silent,
) -> Comparison:
    """Run the cells of one module by the engine and by the oracle."""
    grid = transplant(
        model, prompts.source, prompts.target, module, cells, max_new_tokens, rows_per_batch
    )
    source_ids, target_ids = prompts.source.token_ids, prompts.target.token_ids
    baseline = oracle.generate(model, target_ids, max_new_tokens)
    naive = {}
    for cell in cells:
        naive[cell] = oracle.transplant_cell(
            model, source_ids, target_ids, module, cell, max_new_tokens
        )
        on_step(f"{module} by the oracle", len(naive), len(cells))
    return Comparison(
        module=module,
        n_cells=len(cells),
        different=tuple(c for c in cells if grid.generations[c].token_ids != naive[c]),
        n_changed=sum(tokens != baseline for tokens in naive.values()),
        baseline_equal=grid.baseline.token_ids == baseline,
    )
