"""The one place that opens files for writing, and that reads files others may have made.

A file is written whole or not at all, with an error message that says what to do. Nothing is
written through a symbolic link: the link itself is replaced, or refused.
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
"""Flag by which opening a symbolic link fails; Windows has none."""
SECONDS_OF_A_WRITE = 600.0
"""Age from which a temporary file was left by a process that was killed."""
WAITS_FOR_NOBODY = getattr(os, "O_NONBLOCK", 0)
"""Flag by which opening a named pipe returns at once."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside its place, sync it, rename it.

    A symbolic link at the path is replaced; its target stays as it is.

    Raises:
        OutputError: the file cannot be written, or the path is a device, pipe or folder; no
            temporary file is left.
    """
    # Not the whole name, which with the rest may be too long for the file system.
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
    """Do what `write_whole` does, but do not touch a file that has this content already.

    So its time of change stays, which receipts compare.

    Raises:
        OutputError: as `write_whole`.
    """
    try:
        same = not path.is_symlink() and read_regular(path) == content
    except OSError:
        same = False
    if not same:
        write_whole(path, content)


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading and adding; a missing one is made.

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
    """Hold a lock file, which excludes other processes that ask for it; freed when one dies.

    Args:
        place: the lock file; it stays.
        seconds: how long to wait.

    Raises:
        OutputError: the lock cannot be made, or another process holds it too long.
    """
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place, timeout=seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise OutputError(
                f"another process has held {place} for {seconds:.0f} s; if it hangs, end it and "
                "run the same command again"
            ) from error
        except NotImplementedError as error:
            raise OutputError(
                f"the file system of {place} has no locks; choose an output_root on one that has"
            ) from error
    try:
        yield
    finally:
        lock.release()


def touch(path: Path) -> None:
    """Set a file's time of change to now, or that of a symbolic link itself.

    Raises:
        OSError: there is no such file, or it may not be changed.
    """
    os.utime(path, follow_symlinks=os.utime not in os.supports_follow_symlinks)


def read_regular(path: Path, most_bytes: int | None = None) -> bytes:
    """Return a file's content; never wait for a named pipe that nobody writes to.

    Args:
        path: the file.
        most_bytes: size above which the file is refused; None for any size.

    Raises:
        OSError: the file cannot be read, is too large, or is a device, pipe or folder.
    """
    descriptor = os.open(path, os.O_RDONLY | WAITS_FOR_NOBODY)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
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
    """Remove temporary files that killed processes left. No process may be writing the file now.

    Raises:
        OutputError: one cannot be removed.
    """
    for leftover in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        with writing(leftover):
            leftover.unlink(missing_ok=True)


def names_of_leftovers(folder: Path) -> set[str]:
    """Return the names of the files in a folder for which temporary files lie there.

    A process may be writing one of them now. Hidden files, and what follows the first 200
    characters of a name, are left out.
    """
    return {path.name[1:].rsplit(".", 2)[0] for path in folder.glob(".[!.]*.*.tmp")}


def clear_old_leftovers(folder: Path) -> None:
    """Remove temporary files, in a folder and below it, that nobody can be writing any more.

    Raises:
        OutputError: one cannot be removed.
    """
    for leftover in folder.rglob(".*.tmp"):
        with writing(leftover), suppress(FileNotFoundError):
            if time.time() - leftover.lstat().st_mtime > SECONDS_OF_A_WRITE:
                leftover.unlink()


def require_own_folders(folder: Path) -> None:
    """Check that no entry of a folder is a symbolic link to a folder, into which files would go.

    Raises:
        OutputError: one is.
    """
    with writing(folder):
        links = sorted(path for path in folder.iterdir() if path.is_symlink() and path.is_dir())
    if links:
        raise OutputError(
            f"{links[0]} is a symbolic link to a folder, and nothing is written through one; put "
            "the folder itself in its place, or choose another output_root"
        )


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
            raise OSError(errno.EINVAL, "it is no regular file", str(path))


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; some network file systems cannot."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
