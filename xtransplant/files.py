"""File access; the only module that opens files for writing.

A file is written whole or not at all. Errors say what to do. Nothing is written through a symbolic
link: the link itself is replaced, or refused. Files that others may have made are read here too.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from filelock import FileLock, Timeout

from xtransplant.errors import OutputError

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Flag that makes opening a symbolic link fail; 0 on Windows, which has none."""
SECONDS_OF_A_WRITE = 600.0
"""Age above which a temporary file counts as left behind by a killed process."""
WAITS_FOR_NOBODY = getattr(os, "O_NONBLOCK", 0)
"""Flag that makes opening a named pipe return at once."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: write and sync a temporary file in the same folder, then rename it.

    A symbolic link at the path is replaced; its target stays unchanged.

    Raises:
        OutputError: the file cannot be written, or the path is a device, pipe or folder; the
            temporary file is removed.
    """
    # The name is shortened: with the suffix it could be too long for the file system.
    temporary = path.with_name(f".{path.name[:200]}.{uuid4().hex}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_replaceable(path)
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
    """Write a file as `write_whole` does, unless it already has this content.

    An unchanged file keeps its modification time, which receipts compare.

    Raises:
        OutputError: as for `write_whole`.
    """
    try:
        same = not path.is_symlink() and read_regular(path) == content
    except OSError:
        same = False
    if not same:
        write_whole(path, content)


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading and appending; create it if it is missing.

    Raises:
        OutputError: the file cannot be written, or is a symbolic link.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_LINK, 0o666)
        with os.fdopen(descriptor, "a+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def locked(place: Path, seconds: float = 60.0) -> Iterator[None]:
    """Hold a lock file that only one process can hold; the system frees it when the process ends.

    Args:
        place: path of the lock file, which is not removed.
        seconds: maximum time to wait.

    Raises:
        OutputError: the lock cannot be created, or another process holds it too long.
    """
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place, timeout=seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"another process has held {place} for {seconds:.0f} s; if it hangs, stop it and "
                "run the same command again"
            ) from error
        except NotImplementedError as error:
            raise OutputError(
                f"the file system of {place} has no locks; choose an output_root on another one"
            ) from error
    try:
        yield
    finally:
        lock.release()


def touch(path: Path) -> None:
    """Set a file's modification time to now; a symbolic link is not followed.

    Raises:
        OSError: the file does not exist, or may not be changed.
    """
    os.utime(path, follow_symlinks=os.utime not in os.supports_follow_symlinks)


def read_regular(path: Path, most_bytes: int | None = None) -> bytes:
    """Return a file's content; refuse named pipes, on which reading could wait for ever.

    Args:
        path: path of the file.
        most_bytes: maximum size of the file; None for no limit.

    Raises:
        OSError: the file cannot be read, is too large, or is a device, pipe or folder.
    """
    descriptor = os.open(path, os.O_RDONLY | WAITS_FOR_NOBODY)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if most_bytes is not None and facts.st_size > most_bytes:
            raise OSError(errno.EFBIG, f"it is larger than {most_bytes:,} bytes", str(path))
        return file.read()


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
    """Remove temporary files of `path` that killed processes left behind.

    No other process may be writing the file at the same time.

    Raises:
        OutputError: a file cannot be removed.
    """
    for leftover in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        with writing(leftover):
            leftover.unlink(missing_ok=True)


def names_of_leftovers(folder: Path) -> set[str]:
    """Return the names of the files in a folder of which a temporary file exists.

    A process may be writing some of them now. Hidden files are left out, and names are cut after
    200 characters.
    """
    return {path.name[1:].rsplit(".", 2)[0] for path in folder.glob(".[!.]*.*.tmp")}


def clear_old_leftovers(folder: Path) -> None:
    """Remove temporary files in a folder and below it that are too old to be still in use.

    Raises:
        OutputError: a file cannot be removed.
    """
    for leftover in folder.rglob(".*.tmp"):
        with writing(leftover), suppress(FileNotFoundError):
            if time.time() - leftover.lstat().st_mtime > SECONDS_OF_A_WRITE:
                leftover.unlink()


def require_own_folders(folder: Path) -> None:
    """Check that no entry of a folder is a symbolic link to another folder.

    Raises:
        OutputError: an entry is such a link.
    """
    with writing(folder):
        links = sorted(path for path in folder.iterdir() if path.is_symlink() and path.is_dir())
    if links:
        raise OutputError(
            f"{links[0]} is a symbolic link to a folder, and links are never written through; "
            "replace it by the folder itself, or choose another output_root"
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors in writing, replacing or removing a file into an OutputError.

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
        reason = error.strerror or error
        if error.errno == errno.ELOOP:
            reason = "it is a symbolic link, which is never followed"
        raise OutputError(
            f"cannot write {path}: {reason}; choose a folder that can be written "
            "(output_root, --out), then run again"
        ) from error


def _require_replaceable(path: Path) -> None:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the file system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
