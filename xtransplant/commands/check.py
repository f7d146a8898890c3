"""`xtransplant check`: compare the engine with the naive oracle on a run's first prompt pair."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from xtransplant.config.grid_file import run_cells
from xtransplant.config.intervention import Intervention, require_writable
from xtransplant.config.schema import GridConfig, RunConfig
from xtransplant.engine import oracle
from xtransplant.engine.load_model import load_model
from xtransplant.engine.request import READ_FROM_PROMPT, Request
from xtransplant.engine.transplant import transplant_all
from xtransplant.errors import ConfigError
from xtransplant.models.architecture import n_layers
from xtransplant.models.families import Model
from xtransplant.models.load_options import LoadOptions
from xtransplant.models.loading import open_model
from xtransplant.progress import OnStep, silent
from xtransplant.runner.plan import make_plan, weights_arguments
from xtransplant.tasks.controls import CONTROLS
from xtransplant.terminal import Console
from xtransplant.types import Cell, ModuleType, PromptPair


@dataclass(frozen=True)
class Comparison:
    """A comparison of engine and oracle on cells of one module.

    Attributes:
        module: module that was transplanted.
        n_cells: number of compared cells.
        different: cells whose tokens differ from the oracle's. If two tokens are almost equally
            likely, a model with a merged adapter may choose the other one.
        n_changed: number of cells whose oracle tokens differ from the baseline's. If it is 0, no
            write had an effect, and equality shows little.
        baseline_equal: whether the baselines' tokens are equal.
    """

    module: ModuleType
    n_cells: int
    different: tuple[Cell, ...]
    n_changed: int
    baseline_equal: bool

    @property
    def identical(self) -> bool:
        """Whether all tokens equal the oracle's."""
        return self.baseline_equal and not self.different


def run_check(
    config: RunConfig, console: Console, *, n_cells: int, modules: Sequence[ModuleType] = ()
) -> bool:
    """Compare engine and oracle on the run's first prompt pair, and show a table.

    Args:
        config: run whose model, task and grid are used.
        console: console to show the table on.
        n_cells: number of cells per module, drawn at random from the grid with the run's seed.
        modules: modules to compare; empty for all that the model has.

    Returns:
        Whether all tokens are identical.

    Raises:
        ConfigError: a key has no effect here.
        XtransplantError: as for `load_model` and `transplant`.
    """
    _require_effect(config)
    require_prompt_is_enough(config.intervention.vector, "check")
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
        model = load_model(**weights_arguments(config), on_step=on_step)
        unmerged = _unmerged(config, model, on_step)
    how = Intervention(**asdict(config.intervention))
    samples = {
        module: _sample(module_cells(model, config.grid, module), n_cells, config.seed)
        for module in modules or writable_modules(model, how)
    }
    part = plan.parts[0]
    console.info(
        f"{config.model.name} in {config.model.dtype}, {config.task.name} {part.instances[0].id} "
        f"({part.language}), {how}, {sum(map(len, samples.values()))} cells, one generate each"
    )
    with console.steps() as on_step:
        comparisons = [
            compare(model, unmerged, part.prompts[0], module, cells, config, on_step)
            for module, cells in samples.items()
        ]
    _show(comparisons, console)
    return all(comparison.identical for comparison in comparisons)


def _require_effect(config: RunConfig) -> None:
    if config.dry_run:
        raise ConfigError("dry_run=true has no effect on check; leave it out")
    if config.grid.untouched:
        raise ConfigError(
            f"grid={config.grid.name} has no cells, and check compares cells; choose another grid"
        )
    control = CONTROLS[config.control]
    if control.seeds or control.mean or control.untouched:
        raise ConfigError(
            f"control={config.control} has no effect on check, which transplants captured "
            "activations; leave it out"
        )


def _unmerged(config: RunConfig, model: Model, on_step: OnStep) -> Model:
    """Return the oracle's model, whose adapter is not merged, so that a wrong merge shows."""
    if config.model.adapter is None:
        return model
    arguments = weights_arguments(config)
    return open_model(arguments.pop("id"), LoadOptions(**arguments, merge_adapter=False), on_step)


def _show(comparisons: Sequence[Comparison], console: Console) -> None:
    """Show a row per module and the verdict; warn if equality shows little."""
    header = ("module", "cells", "identical", "changed", "differing cells")
    console.table(header, [_table_row(comparison) for comparison in comparisons])
    n_cells = sum(comparison.n_cells for comparison in comparisons)
    n_changed = sum(comparison.n_changed for comparison in comparisons)
    identical = all(comparison.identical for comparison in comparisons)
    console.write(
        f"{n_changed} of {n_cells} transplants changed the answer; "
        + ("identical, token for token" if identical else "NOT identical: see the differing cells")
    )
    if unchanged := [c.module for c in comparisons if c.n_changed == 0]:
        console.info(
            f"warning: no transplant of {', '.join(unchanged)} changed the answer, so identical "
            "tokens show little there; try more --cells, more new tokens or another prompt"
        )


def _table_row(comparison: Comparison) -> tuple[str, ...]:
    differing = [*map(str, comparison.different)]
    if not comparison.baseline_equal:
        differing.append("baseline")
    return (
        comparison.module,
        str(comparison.n_cells),
        str(comparison.n_cells - len(comparison.different)),
        str(comparison.n_changed),
        " ".join(differing),
    )


def require_prompt_is_enough(vector: str, command: str) -> None:
    """Check that a command that reads no task can make the vector.

    Raises:
        ConfigError: the vector is made from a task's data.
    """
    if not READ_FROM_PROMPT[vector]:
        raise ConfigError(
            f"intervention.vector={vector} is made from a task's data, which {command} does not "
            f"read; allowed: {', '.join(v for v, enough in READ_FROM_PROMPT.items() if enough)}"
        )


def writable_modules(model: Model, intervention: Intervention) -> list[ModuleType]:
    """Return the modules of a model that an intervention can write to."""
    found = []
    for module in model.module_types:
        with suppress(ConfigError):
            require_writable(intervention, module)
            found.append(module)
    return found


def module_cells(model: Model, grid: GridConfig, module: ModuleType) -> list[Cell]:
    """Return the cells of a grid whose layers both have the module; hybrids have layers without it.

    If no cell is left, return all, so that `transplant` refuses the first one with a reason.

    Raises:
        LayerError: the model does not have the module, or a layer is outside the model.
    """
    cells = run_cells(grid, n_layers(model.hf.config, module))
    parts = model.modules(module)
    having = [cell for cell in cells if parts[cell.source_layer] and parts[cell.target_layer]]
    return having or cells


def _sample(cells: Sequence[Cell], n_cells: int, seed: int) -> list[Cell]:
    return random.Random(seed).sample(cells, min(n_cells, len(cells)))


def compare(
    model: Model,
    unmerged: Model,
    prompts: PromptPair,
    module: ModuleType,
    cells: Sequence[Cell],
    config: RunConfig,
    on_step: OnStep = silent,
) -> Comparison:
    """Run cells of one module with the engine and with the oracle.

    Args:
        model: loaded model.
        unmerged: the same model with an adapter that is not merged, for the oracle.
        prompts: source and target prompt.
        module: module that is transplanted.
        cells: cells to compare.
        config: run, for the intervention and the number of new tokens and of rows together.
        on_step: progress callback.
    """
    new_tokens = config.decode.max_new_tokens
    how = Intervention(**asdict(config.intervention))
    request = Request(prompts.source, prompts.target, module, cells, intervention=how)
    (grid,) = transplant_all(model, [request], new_tokens, config.rows_per_batch)
    source_ids, target_ids = prompts.source.token_ids, prompts.target.token_ids
    baseline = oracle.generate(unmerged, target_ids, new_tokens)
    naive = {}
    for cell in cells:
        naive[cell] = oracle.transplant_cell(
            unmerged, source_ids, target_ids, module, cell, new_tokens, how
        )
        on_step(f"{module} by the oracle", len(naive), len(cells))
    return Comparison(
        module=module,
        n_cells=len(cells),
        different=tuple(c for c in cells if grid.generations[c].token_ids != naive[c]),
        n_changed=sum(tokens != baseline for tokens in naive.values()),
        baseline_equal=grid.baseline.token_ids == baseline,
    )
