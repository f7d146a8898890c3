"""Subcommands about one checkpoint: check, bench, try; `app` registers them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xtransplant.cli.data import ConfigDir, Overrides
from xtransplant.config.intervention import TRANSPLANT, Intervention, require_writable
from xtransplant.config.schema import OPERATIONS, STEPS
from xtransplant.errors import ConfigError, unknown
from xtransplant.types import Cell, ModuleType

if TYPE_CHECKING:
    from xtransplant.terminal import Console

Op = Annotated[str, typer.Option(help=f"What the vector does: {', '.join(OPERATIONS)}.")]
Alpha = Annotated[float, typer.Option(help="How much of the vector is added or mixed in.")]
Steps = Annotated[str, typer.Option(help=f"New tokens that are written to: {', '.join(STEPS)}.")]
Norm = Annotated[str, typer.Option(help="match: the vector in the length of what it meets.")]

Modules = Annotated[
    str | None, typer.Option(help="Modules to compare, separated by commas; default: all.")
]


def check(
    overrides: Overrides = None,
    cells: Annotated[int, typer.Option(min=1, help="Cells to compare per module.")] = 25,
    modules: Modules = None,
    config_dir: ConfigDir = None,
) -> None:
    """Compare the fast engine with the naive oracle on a checkpoint.

    The oracle runs one Hugging Face generate per cell; every token must be the same.
    KEY=VALUE as for xtransplant run. The exit status is 1 if a token differs.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    chosen = [_module(name) for name in modules.split(",")] if modules else []
    from xtransplant.commands.check import run_check
    from xtransplant.engine.failures import machine_failures

    with machine_failures("the check", kept=""):
        identical = run_check(config, Console(), n_cells=cells, modules=chosen)
    if not identical:
        raise typer.Exit(1)


def bench(
    overrides: Overrides = None,
    source: Annotated[
        Path | None, typer.Option(help="File with the source prompt; default: a built-in one.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="File with the target prompt; default: a built-in one.")
    ] = None,
    prompt_tokens: Annotated[
        int | None, typer.Option(min=2, help="Cut or repeat the target prompt to this length.")
    ] = None,
    instances: Annotated[
        int, typer.Option(min=1, help="Prompt pairs; if several, also one call per pair.")
    ] = 1,
    together: Annotated[
        bool, typer.Option("--together", help="Also measure all modules and a control in one call.")
    ] = False,
    options: Annotated[
        bool, typer.Option("--options", help="Also measure log-probabilities of three options.")
    ] = False,
    cells_compared: Annotated[
        int, typer.Option(min=0, help="Cells that the oracle computes too, of all grids.")
    ] = 64,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Build the model from its configuration.")
    ] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Measure the engine against the oracle and the machine's matrix products; print JSON.

    KEY=VALUE as for xtransplant run; the task's keys and control have no effect.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    from xtransplant.commands.bench import BenchSettings, run_bench
    from xtransplant.engine.failures import machine_failures

    settings = BenchSettings(
        source=source,
        target=target,
        prompt_tokens=prompt_tokens,
        instances=instances,
        together=together,
        options=options,
        cells_compared=cells_compared,
        random_weights=random_weights,
    )
    console = Console()
    with machine_failures("the benchmark", kept=""), console.steps() as on_step:
        figures = run_bench(config, settings, on_step)
    console.write(json.dumps(figures, indent=2))


def similarity(
    overrides: Overrides = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where parquet, table and figure go.")
    ] = Path("similarity"),
    modules: Modules = None,
    config_dir: ConfigDir = None,
) -> None:
    """Compare the activations of the same question in two languages, layer by layer.

    Shows, for each language and module, how alike they are at the last prompt token, how alike
    different questions in one language are, and how often the nearest neighbour across languages is
    the same question. Each prompt is read once. KEY=VALUE as for xtransplant run.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    chosen = [_module(name) for name in modules.split(",")] if modules else []
    from xtransplant.commands.similarity import run_similarity
    from xtransplant.engine.failures import machine_failures

    with machine_failures("the comparison", kept=""):
        run_similarity(config, Console(), out, chosen)


def try_(
    model: Annotated[
        str,
        typer.Option(help="A name from xtransplant ls models, org/name, a folder, or a GGUF file."),
    ],
    source: Annotated[str, typer.Option(help="Prompt whose activations are captured.")],
    target: Annotated[str, typer.Option(help="Prompt that is answered.")],
    module: Annotated[
        str, typer.Option(help="Module to transplant: " + ", ".join(ModuleType) + ".")
    ] = ModuleType.MLP,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            metavar="I,J", help="Source and target layer; repeatable; default: all pairs."
        ),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Maximum number of new tokens.")] = 20,
    op: Op = TRANSPLANT.op,
    alpha: Alpha = TRANSPLANT.alpha,
    steps: Steps = TRANSPLANT.steps,
    norm: Norm = TRANSPLANT.norm,
    config_dir: ConfigDir = None,
) -> None:
    """Transplant between two prompts of your own.

    Shows the baseline above the transplanted answers.
    """
    from xtransplant.config.compose import find_model
    from xtransplant.config.grid import parse_cell
    from xtransplant.terminal import Console

    pairs = [parse_cell(text) for text in cell or []]
    chosen, how = _module(module), Intervention(op, alpha, steps=steps, norm=norm)
    require_writable(how, chosen)
    checkpoint = find_model(model, config_dir)
    console = Console()
    import xtransplant as xt
    from xtransplant.engine.failures import machine_failures
    from xtransplant.runner.plan import load_arguments

    with machine_failures("the trial", kept=""):
        with console.steps() as on_step:
            loaded = xt.load_model(**load_arguments(checkpoint), on_step=on_step)
        grid = xt.transplant(
            loaded, source, target, chosen, pairs or "full", max_new_tokens, intervention=how
        )
    texts = {cell: grid.text(cell.source_layer, cell.target_layer) for cell in grid.cells}
    if pairs:
        _show_texts(grid.baseline.text, texts, console)
    else:
        _show_distinct_texts(grid.baseline.text, texts, console)


def _show_texts(baseline: str, texts: Mapping[Cell, str], console: Console) -> None:
    """Show the baseline above the text of each cell."""
    rows = [(str(cell), text) for cell, text in texts.items()]
    console.table(("cell", "text"), [("baseline", baseline), *rows])


def _show_distinct_texts(baseline: str, texts: Mapping[Cell, str], console: Console) -> None:
    """Show the baseline above each distinct text, the most frequent first."""
    cells: dict[str, list[Cell]] = {}
    for cell, text in texts.items():
        cells.setdefault(text, []).append(cell)
    rows = [
        (str(len(same)), str(same[0]), text)
        for text, same in sorted(cells.items(), key=lambda item: -len(item[1]))
    ]
    console.table(("cells", "such as", "text"), [("baseline", "", baseline), *rows])


def _module(name: str) -> ModuleType:
    if name not in list(ModuleType):
        raise ConfigError(unknown("module", name, list(ModuleType)))
    return ModuleType(name)
