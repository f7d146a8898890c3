"""The subcommands for many runs at once; `app` registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xtransplant.cli.data import ConfigDir, Overrides

SENT = ("hydra/launcher=slurm", "hydra.launcher.wait=false")


def submit(overrides: Overrides = None, config_dir: ConfigDir = None) -> None:
    """Submit a sweep to Slurm as one job array, and return at once.

    KEY=VALUE as for xtransplant run -m. Fetch data and weights first: xtransplant prepare.
    """
    from xtransplant.runner.sweep import run_sweep
    from xtransplant.terminal import Console

    console = Console()
    status = run_sweep([*SENT, *(overrides or [])], config_dir, console)
    console.info("watch it: xtransplant status --watch")
    raise typer.Exit(status)


def status(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder of a run, or of several.")
    ] = Path("outputs"),
    watch: Annotated[bool, typer.Option("--watch", help="Update until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds between two updates.")] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the status once, as JSON.")
    ] = False,
) -> None:
    """Show the progress of runs: parts, workers, rate, time left, failures.

    Reads only the files of the runs, so it works on any machine that can read them.
    """
    from xtransplant.commands.status import show_status, watch_status
    from xtransplant.errors import ConfigError
    from xtransplant.terminal import Console

    if watch and as_json:
        raise ConfigError("--watch and --json cannot be combined; give one of them")
    if watch:
        try:
            watch_status(out, Console(), seconds)
        except KeyboardInterrupt:
            return
    show_status(out, Console(), as_json=as_json)
