"""The project's cache folder: its path, content digests, and folders that are built once.

The path is `$XTRANSPLANT_CACHE`, else `$XDG_CACHE_HOME/xtransplant`, else `~/.cache/xtransplant`.
Everything in the folder can be deleted; it is made again when needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from xtransplant.errors import ModelError
from xtransplant.progress import OnStep, silent

_REMEMBER_BYTES = 64 * 2**20
_CHUNK_BYTES = 16 * 2**20


def cache_folder() -> Path:
    """Return the path of the cache folder, which may not exist yet."""
    if own := os.environ.get("XTRANSPLANT_CACHE"):
        return Path(own).expanduser()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).expanduser() / "xtransplant"
    return Path.home() / ".cache" / "xtransplant"


def file_digest(path: Path, on_step: OnStep = silent) -> str:
    """Return the SHA-256 of a file's content, as hex.

    The digest of a large file is cached by path, size and time of change, so that a checkpoint of
    many gigabytes is read once.

    Raises:
        ModelError: the digest cannot be written to the cache folder.
        OSError: the file cannot be read.
    """
    stat = path.stat()
    if stat.st_size < _REMEMBER_BYTES:
        return _sha256(path, stat.st_size, silent)
    full_path = str(path.resolve())
    state = {"path": full_path, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    name = hashlib.sha256(full_path.encode()).hexdigest()
    record = cache_folder() / "digests" / f"{name}.json"
    if record.is_file():
        remembered = json.loads(record.read_text("utf-8"))
        if remembered["state"] == state:
            return str(remembered["sha256"])
    digest = _sha256(path, stat.st_size, on_step)
    with writing_to_cache():
        record.parent.mkdir(parents=True, exist_ok=True)
        part = record.with_suffix(f".{os.getpid()}.partial")
        part.write_text(json.dumps({"state": state, "sha256": digest}), "utf-8")
        part.replace(record)
    return digest


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return `folder`; if it does not exist, make it with `build`.

    `build` fills an empty folder beside it, which is renamed at the end. So a crash leaves no
    incomplete folder under that name, and a second process waits instead of building again.

    Raises:
        ModelError: the cache folder cannot be written.
    """
    if folder.is_dir():
        return folder
    with writing_to_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if folder.is_dir():
                return folder
            part = folder.with_name(folder.name + ".partial")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                build(part)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def writing_to_cache() -> Iterator[None]:
    """Turn any error of writing the cache folder into a ModelError."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"cannot write the cache folder {str(cache_folder())!r}: {error.strerror or error}; "
            "set XTRANSPLANT_CACHE to a folder that can be written and has room"
        ) from error


def _sha256(path: Path, size: int, on_step: OnStep) -> str:
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            on_step(f"digest of {path.name}", done, size)
    return digest.hexdigest()
