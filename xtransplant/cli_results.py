"""The subcommands that work on the folders of finished runs; `cli` registers them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xtransplant.errors import ConfigError, unknown


def rescore(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a run, or of several.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="scorer=NAME[,NAME]",
            show_default=False,
            help="The first gives answer and correct; without: those of each run's configuration.",
        ),
    ] = None,
) -> None:
    """Score stored texts again, without a GPU or the model.

    Replaces answer, correct and what is counted from them; the verdicts of every scorer so far
    stay in OUT/scores. Scorers: see docs/scoring.md.
    """
    names = [name for setting in settings or [] for name in _scorer_names(setting)]
    from xtransplant.console import Console
    from xtransplant.rescore import rescore as rescore_runs

    rescore_runs(out, names, Console())


def _scorer_names(setting: str) -> list[str]:
    key, equals, value = setting.partition("=")
    if not equals or key != "scorer":
        raise ConfigError(unknown("setting", setting, ["scorer=NAME", "scorer=NAME,NAME"]))
    return value.removeprefix("[").removesuffix("]").replace(" ", "").split(",")
