"""Disk space that a run reserves so that its manifest can still be written on a full disk."""

from __future__ import annotations

import os
from pathlib import Path

from xtransplant.files import clear_leftovers, write_whole, writing

PLACE = Path(".leases") / ".reserve"
RESERVED_BYTES = 32 * 1024
"""Size of the reserve: enough for several manifests."""


def keep_reserve(run: Path) -> None:
    """Reserve the space with a file of random bytes (some file systems do not store zeros).

    The caller must hold a lock, so that only one process does this at a time.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    clear_leftovers(run / PLACE)
    write_whole(run / PLACE, os.urandom(RESERVED_BYTES))


def free_reserve(run: Path) -> None:
    """Free the reserved space.

    Raises:
        OutputError: the folder cannot be written.
    """
    with writing(run / PLACE):
        (run / PLACE).unlink(missing_ok=True)
