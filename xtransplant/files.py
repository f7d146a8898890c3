"""Writing files whole or not at all, with an error message that says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from uuid import uuid4

from xtransplant.errors import OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside its place, sync it, rename it.

    Raises:
        OutputError: the file cannot be written; no temporary file is left.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)


def write_unless_same(path: Path, content: bytes) -> None:
    """Do what `write_whole` does, but do not touch a file that has this content already.

    So its time of change stays, which receipts compare.

    Raises:
        OutputError: as `write_whole`.
    """
    try:
        same = path.read_bytes() == content
    except OSError:
        same = False
    if not same:
        write_whole(path, content)


def set_aside(path: Path, folder: Path) -> Path | None:
    """Move a file into a folder under a new name.

    Returns:
        The new path; None if the file no longer exists.

    Raises:
        OutputError: the file cannot be moved.
    """
    place = folder / f"{path.name}.{uuid4().hex[:8]}"
    with writing(place):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            path.rename(place)
        except FileNotFoundError:
            return None
    return place


def clear_leftovers(path: Path) -> None:
    """Remove temporary files that killed processes left. No process may be writing the file now.

    Raises:
        OutputError: one cannot be removed.
    """
    for leftover in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        with writing(leftover):
            leftover.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn any error of writing, replacing or removing a file into an OutputError.

    Raises:
        OutputError: the disk is full, or the file may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"disk full while writing {path}: free space and run the same command again; "
                "finished parts are kept"
            ) from error
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; choose a folder that can be written "
            "(output_root, --out), then run again"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; some network file systems cannot."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
