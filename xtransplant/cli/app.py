"""The subcommands: arguments in, one call, exit status out.

Help is plain text without rich markup, because its examples contain square brackets. Each command
imports what it needs when it runs, so that `--help` and `ls` are fast.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

from xtransplant import __version__
from xtransplant.cli import checkpoint, cluster, data, help_texts, results
from xtransplant.cli.data import ConfigDir, Overrides
from xtransplant.errors import RESUME, ConfigError, Stopped, XtransplantError, unknown

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
    from xtransplant.runner import job
    from xtransplant.terminal import Console

    if multirun:
        from xtransplant.runner.sweep import run_sweep

        raise typer.Exit(run_sweep(given, config_dir, Console()))
    from xtransplant.config.compose import compose

    job.do(compose(given, config_dir), Console())


app.command(epilog=help_texts.SUBMIT_EXAMPLES)(cluster.submit)
app.command(epilog=help_texts.STATUS_EXAMPLES)(cluster.status)
app.command(epilog=help_texts.PREPARE_EXAMPLES)(data.prepare)
app.command(epilog=help_texts.TRANSLATE_EXAMPLES)(data.translate)


@app.command(name="ls", epilog=help_texts.LS_EXAMPLES)
def list_entries(
    kind: Annotated[
        str,
        typer.Argument(
            help="models, tasks, grids, interventions, experiments or all.", show_default=False
        ),
    ] = "all",
    config_dir: ConfigDir = None,
) -> None:
    """List models, tasks, grids, interventions and experiments, one line each."""
    from xtransplant.config.catalog import KINDS, listing
    from xtransplant.terminal import Console

    console = Console()
    for number, name in enumerate(KINDS if kind == "all" else [kind]):
        headings, rows = listing(name, config_dir)
        if number:
            console.write("")
        console.page(headings, rows, cut_last=name == "models")


app.command(epilog=help_texts.CHECK_EXAMPLES)(checkpoint.check)
app.command(epilog=help_texts.BENCH_EXAMPLES)(checkpoint.bench)
app.command(epilog=help_texts.SIMILARITY_EXAMPLES)(checkpoint.similarity)
app.command(name="try", epilog=help_texts.TRY_EXAMPLES)(checkpoint.try_)
app.command(epilog=help_texts.RESCORE_EXAMPLES)(results.rescore)
app.command(epilog=help_texts.REPORT_EXAMPLES)(results.report)
app.command(epilog=help_texts.SELECT_EXAMPLES)(results.select)


def _bound_spinning() -> None:
    """Limit how long waiting torch threads spin before they sleep, unless the user has set it.

    Unlimited spinning starves other processes: with two processes on a machine, a grid took five
    times as long. Without spinning, one process alone took up to a quarter longer
    (docs/benchmarks.md).
    """
    if "OMP_WAIT_POLICY" not in os.environ and "GOMP_SPINCOUNT" not in os.environ:
        os.environ |= {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; return the exit status. A user's mistake gives one line and status 2."""
    _open_streams()
    warnings.showwarning = _warn  # type: ignore[assignment]  # fewer arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A character that the terminal cannot show must not end a long run.
            stream.reconfigure(errors="backslashreplace")
    _bound_spinning()
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ["RANK"] != "0":
        # Processes of torchrun share one terminal, and only the first should write to it. The file
        # stays open as long as the process, like the streams it replaces.
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    given = list(sys.argv[1:] if arguments is None else arguments)
    group = typer.main.get_group(app)
    command = given[0] if given and not given[0].startswith("-") else ""
    try:
        if command and command not in group.commands:
            raise ConfigError(unknown("command", command, group.commands))
        # Not group.main(), which prints errors in its own words.
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
        return _fail(f"stopped by {stopped}; {RESUME}", stopped.exit_status)
    except KeyboardInterrupt:
        resumes = command in ("run", "translate")
        return _fail(f"interrupted; {RESUME}" if resumes else "interrupted", 130)
    except BrokenPipeError:
        _drop_output()  # the process that reads the pipe has ended
        return 1
    except OSError as error:
        return _fail_of_system(error)
    except MemoryError as error:
        return _fail(f"out of memory: {error or 'MemoryError'}; take a machine with more", 1)
    return 0


PATH_MISTAKES = (
    *(errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.EINVAL),
)
"""Errors of a path that the user can fix; others are failures of the machine."""


def _fail_of_system(error: OSError) -> int:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        _drop_output()
        where = error.filename or "what this command prints"
        return _fail(f"disk full while writing {where}: free space and run it again", 2)
    if error.filename is None:
        return _fail(f"the system refuses: {error.strerror or error}", 1)
    name = str(error.filename)
    shown = name if len(name) <= 200 else f"{name[:199]}…"
    line = f"cannot use {shown}: {error.strerror}; give another path"
    return _fail(line, 2 if error.errno in PATH_MISTAKES else 1)


def _warn(message: Warning | str, *_where: object) -> None:
    """Show a warning in one line, like other remarks."""
    from xtransplant.terminal import Console

    Console().info(f"warning: {' '.join(str(message).split())}")


def _open_streams() -> None:
    """Open the null device for standard streams that the parent process closed.

    Otherwise the next opened file would get their number, and printed text would go into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _drop_output() -> None:
    """Send standard output to the null device, so that Python can flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    from xtransplant.terminal import Console

    Console().error(message)
    return status
