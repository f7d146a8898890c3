"""The subcommands: arguments in, one call, exit status out.

Help is plain text (no rich markup) because its examples hold square brackets and are there to be
copied. What a command needs is imported when it runs, so that `--help` and `ls` answer at once.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from xtransplant import __version__, cli_cluster, cli_data, cli_results, help_texts
from xtransplant.cli_data import ConfigDir, Overrides
from xtransplant.errors import ConfigError, Stopped, XtransplantError, unknown
from xtransplant.types import ModuleType

GOES_ON = "; the same command goes on with what is missing"

app = typer.Typer(
    name="xtransplant",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True, epilog=help_texts.TOP_EXAMPLES)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False,
) -> None:
    """Cross-lingual latent transplantation over every pair of layers."""
    if version:
        typer.echo(f"xtransplant {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(help=help_texts.RUN, epilog=help_texts.RUN_EXAMPLES)
def run(
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and stop; load no weights.")
    ] = False,
    multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="Sweep over values such as module=attn,mlp.")
    ] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Run an experiment, show its plan, or sweep over several."""
    given = [*(overrides or []), *(["dry_run=true"] if dry_run else [])]
    from xtransplant import jobs
    from xtransplant.console import Console

    if multirun:
        from xtransplant.sweeps import run_sweep

        raise typer.Exit(run_sweep(given, config_dir, Console()))
    from xtransplant.config import compose

    jobs.do(compose(given, config_dir), Console())


app.command(epilog=help_texts.SUBMIT_EXAMPLES)(cli_cluster.submit)
app.command(epilog=help_texts.STATUS_EXAMPLES)(cli_cluster.status)
app.command(epilog=help_texts.PREPARE_EXAMPLES)(cli_data.prepare)
app.command(epilog=help_texts.TRANSLATE_EXAMPLES)(cli_data.translate)


@app.command(name="ls", epilog=help_texts.LS_EXAMPLES)
def list_entries(
    kind: Annotated[
        str, typer.Argument(help="models, tasks, grids, experiments or all.", show_default=False)
    ] = "all",
    config_dir: ConfigDir = None,
) -> None:
    """List models, tasks, grids and experiments, one line each."""
    from xtransplant.catalog import KINDS, listing
    from xtransplant.console import Console

    console = Console()
    for number, name in enumerate(KINDS if kind == "all" else [kind]):
        headings, rows = listing(name, config_dir)
        if number:
            console.write("")
        console.page(headings, rows, cut_last=name == "models")


@app.command(epilog=help_texts.CHECK_EXAMPLES)
def check(
    overrides: Overrides = None,
    cells: Annotated[int, typer.Option(min=1, help="Cells to compare for each module.")] = 25,
    modules: Annotated[
        str | None,
        typer.Option(help="Modules to compare, with commas between them; without: all there are."),
    ] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Compare the fast engine with the naive oracle on a checkpoint.

    The oracle runs one Hugging Face generate per cell; every token must be the same.
    KEY=VALUE as for xtransplant run. The exit status is 1 where a token differs.
    """
    from xtransplant.config import compose
    from xtransplant.console import Console

    config = compose(overrides or [], config_dir)
    chosen = [_module(name) for name in modules.split(",")] if modules else []
    from xtransplant.check import run_check
    from xtransplant.engine.failures import machine_failures

    with machine_failures("the check", kept=""):
        identical = run_check(config, Console(), n_cells=cells, modules=chosen)
    if not identical:
        raise typer.Exit(1)


@app.command(epilog=help_texts.BENCH_EXAMPLES)
def bench(
    overrides: Overrides = None,
    source: Annotated[
        Path | None, typer.Option(help="File with the source prompt; without: a written one.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="File with the target prompt; without: a written one.")
    ] = None,
    prompt_tokens: Annotated[
        int | None, typer.Option(min=2, help="Cut or repeat the target prompt to this length.")
    ] = None,
    instances: Annotated[
        int, typer.Option(min=1, help="Prompt pairs; from 2 on, compare with one at a time.")
    ] = 1,
    together: Annotated[
        bool, typer.Option("--together", help="Also all modules and a control in one call.")
    ] = False,
    options: Annotated[
        bool, typer.Option("--options", help="Also with log-probabilities of three options.")
    ] = False,
    cells_compared: Annotated[
        int, typer.Option(min=0, help="Cells that the oracle does as well, of all grids.")
    ] = 64,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Build the model from its configuration.")
    ] = False,
    config_dir: ConfigDir = None,
) -> None:
    """Measure the engine beside the oracle and the machine's matrix products; print JSON.

    KEY=VALUE as for xtransplant run; the task's keys and control have no effect.
    """
    from xtransplant.config import compose
    from xtransplant.console import Console

    config = compose(overrides or [], config_dir)
    from xtransplant.bench import BenchSettings, run_bench
    from xtransplant.engine.failures import machine_failures

    settings = BenchSettings(
        source, target, prompt_tokens, instances, together, options, cells_compared, random_weights
    )
    console = Console()
    with machine_failures("the benchmark", kept=""), console.steps() as on_step:
        figures = run_bench(config, settings, on_step)
    console.write(json.dumps(figures, indent=2, ensure_ascii=False))


@app.command(name="try", epilog=help_texts.TRY_EXAMPLES)
def try_(
    model: Annotated[
        str, typer.Option(help="A name of xtransplant ls models, org/name, a folder, a GGUF file.")
    ],
    source: Annotated[str, typer.Option(help="Prompt whose activations are taken.")],
    target: Annotated[str, typer.Option(help="Prompt that is answered.")],
    module: Annotated[
        str, typer.Option(help=", ".join(ModuleType) + "; what is transplanted.")
    ] = ModuleType.MLP,
    cell: Annotated[
        list[str] | None,
        typer.Option(metavar="I,J", help="Source and target layer; repeatable; without: all."),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="New tokens at most.")] = 20,
    config_dir: ConfigDir = None,
) -> None:
    """Transplant between two prompts of your own.

    Shows the untouched answer above the transplanted ones.
    """
    from xtransplant.config import find_model
    from xtransplant.console import Console
    from xtransplant.engine.grid import parse_cell

    pairs = [parse_cell(text) for text in cell or []]
    chosen = _module(module)
    checkpoint = find_model(model, config_dir)
    console = Console()
    import xtransplant as xt
    from xtransplant.engine.failures import machine_failures
    from xtransplant.plan import load_arguments

    with machine_failures("the trial", kept=""):
        with console.steps() as on_step:
            loaded = xt.load_model(**load_arguments(checkpoint), on_step=on_step)
        grid = xt.transplant(
            loaded,
            source=source,
            target=target,
            module=chosen,
            cells=pairs or "full",
            max_new_tokens=max_new_tokens,
        )
    texts = {cell: grid.text(cell.source_layer, cell.target_layer) for cell in grid.cells}
    if pairs:
        console.cell_texts(grid.baseline.text, texts)
    else:
        console.distinct_texts(grid.baseline.text, texts)


app.command(epilog=help_texts.RESCORE_EXAMPLES)(cli_results.rescore)
app.command(epilog=help_texts.REPORT_EXAMPLES)(cli_results.report)
app.command(epilog=help_texts.SELECT_EXAMPLES)(cli_results.select)


def _bound_spinning() -> None:
    """Let torch's threads that wait spin for a while before they sleep, unless the user has chosen.

    Threads that spin on starve other processes: with two on a machine a grid took five times as
    long. Those that sleep at once took up to a quarter longer alone (docs/benchmarks.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ:
        os.environ |= {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; a user's mistake is one line, status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a long run must not end on a letter
    _bound_spinning()
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ["RANK"] != "0":
        # Processes that torchrun started share one terminal, and all would tell the same. The file
        # stays open as long as the process, like the streams whose place it takes.
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    given = list(sys.argv[1:] if arguments is None else arguments)
    group = typer.main.get_group(app)
    command = given[0] if given and not given[0].startswith("-") else ""
    try:
        if command and command not in group.commands:
            raise ConfigError(unknown("command", command, group.commands))
        # Not group.main(), which words and prints errors itself.
        with group.make_context("xtransplant", given) as context:
            group.invoke(context)
        sys.stdout.flush()
    except typer.Exit as done:
        return done.exit_code
    except XtransplantError as error:
        return _fail(str(error), error.exit_status)
    except typer.TyperException as error:
        usage = error.format_message().rstrip(".")
        return _fail(f"{usage}; see '{' '.join(['xtransplant', command]).strip()} --help'", 2)
    except Stopped as stopped:
        return _fail(f"stopped by {stopped}{GOES_ON}", stopped.exit_status)
    except KeyboardInterrupt:
        return _fail(f"interrupted{GOES_ON if command in ('run', 'translate') else ''}", 130)
    except BrokenPipeError:
        _drop_output()  # the reader of a pipe has left
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _drop_output()
        where = error.filename or "what this command prints"
        return _fail(f"disk full while writing {where}: free space and run it again", 2)
    return 0


def _drop_output() -> None:
    """Lead standard output nowhere: a stream that can be flushed at exit keeps Python quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    from xtransplant.console import Console

    Console().error(message)
    return status


def _module(name: str) -> ModuleType:
    if name not in list(ModuleType):
        raise ConfigError(unknown("module", name, list(ModuleType)))
    return ModuleType(name)
