"""The subcommands that bring data to a machine, and the arguments that all commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", show_default=False, help="Hydra overrides; keys above."),
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of your own model/*.yaml, task/*.yaml, …"),
]


def prepare(overrides: Overrides = None, config_dir: ConfigDir = None) -> None:
    """Fetch and convert the data and the model of a run, once; then it runs without a network.

    KEY=VALUE as for xtransplant run. Afterwards set HF_HUB_OFFLINE=1.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    from xtransplant.commands.prepare import run_prepare

    run_prepare(config, Console())


def translate(overrides: Overrides = None, config_dir: ConfigDir = None) -> None:
    """Translate the prompts that a task lacks; done again, it makes what is missing only.

    KEY=VALUE as for xtransplant run: what that run would read is translated, with translation.model
    (any seq2seq or causal model), and kept under translation.folder.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    from xtransplant.commands.translate import run_translate

    run_translate(config, Console())
