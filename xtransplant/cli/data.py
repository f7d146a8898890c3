"""The subcommands that fetch and translate data, and the arguments that all commands share."""

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
    """Fetch and convert the data and the model of a run, which then needs no network.

    KEY=VALUE as for xtransplant run. Afterwards set HF_HUB_OFFLINE=1.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    from xtransplant.commands.prepare import run_prepare

    run_prepare(config, Console())


def translate(overrides: Overrides = None, config_dir: ConfigDir = None) -> None:
    """Translate the prompts that a task lacks; finished translations are kept.

    KEY=VALUE as for xtransplant run: the texts of that run are translated with translation.model
    (any seq2seq or causal model) and stored in translation.folder.
    """
    from xtransplant.config.compose import compose
    from xtransplant.terminal import Console

    config = compose(overrides or [], config_dir)
    from xtransplant.commands.translate import run_translate

    run_translate(config, Console())
