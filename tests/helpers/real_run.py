"""The command itself, for processes that `test_kill` forks."""

import os
from collections.abc import Sequence
from pathlib import Path

from xtransplant.cli import app as cli


def run(arguments: Sequence[str], log: str) -> None:
    """Do `xtransplant run`; what is said goes to the file `log`."""
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    raise SystemExit(cli.main(["run", *arguments]))
