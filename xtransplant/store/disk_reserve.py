"""A little space that a run keeps, so that its manifest can still say that the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

from xtransplant.files import clear_leftovers, write_whole, writing

PLACE = Path(".leases") / ".reserve"
RESERVED_BYTES = 32 * 1024
"""Some manifests: the one there was, and the one that says why a run failed."""


def keep_reserve(run: Path) -> None:
    """Take the space, in a file of noise, since some file systems store zeros in none.

    No other process may do so at the same time.

    Raises:
        OutputError: there is not even that much.
    """
    clear_leftovers(run / PLACE)
    write_whole(run / PLACE, os.urandom(RESERVED_BYTES))


def free_reserve(run: Path) -> None:
    """Give the space back.

    Raises:
        OutputError: the folder cannot be written.
    """
    with writing(run / PLACE):
        (run / PLACE).unlink(missing_ok=True)
