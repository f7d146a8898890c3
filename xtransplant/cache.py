"""The project's cache folder: its path, content digests, and folders that are built once.

The path is `$XTRANSPLANT_CACHE`, else `$XDG_CACHE_HOME/xtransplant`, else `~/.cache/xtransplant`.
Everything in the folder can be deleted; it is made again when needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from xtransplant.errors import ModelError, OutputError
from xtransplant.files import read_regular, write_whole
from xtransplant.jsonl import parse_json
from xtransplant.progress import OnStep, silent

SHA_256 = re.compile("[0-9a-f]{64}")
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

    The digest of a large file is cached by path, size and modification time, so that a checkpoint
    of many gigabytes is read only once.

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
    if remembered := _remembered(record, state):
        return remembered
    digest = _sha256(path, stat.st_size, on_step)
    with writing_to_cache():
        write_whole(record, json.dumps({"state": state, "sha256": digest}).encode())
    return digest


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return `folder`; if it does not exist, make it with `build`.

    `build` fills a temporary folder, which is renamed at the end. So a crash never leaves an
    incomplete folder under the final name. A second process waits instead of building again.

    Raises:
        ModelError: the cache folder cannot be written, or a file of the finished folder is missing
            or has another size than when it was built.
    """
    if folder.is_dir():
        _require_whole(folder)
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
                _sync_all(part)
                write_whole(_listing(folder), json.dumps(_sizes(part)).encode())
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def writing_to_cache() -> Iterator[None]:
    """Turn errors in writing to the cache folder into a ModelError."""
    try:
        yield
    except (OSError, OutputError) as error:
        cause = error.__cause__ if isinstance(error, OutputError) else error
        raise ModelError(
            f"cannot write the cache folder {str(cache_folder())!r}: "
            f"{getattr(cause, 'strerror', None) or cause}; "
            "set XTRANSPLANT_CACHE to a folder that can be written and has room"
        ) from error


def _remembered(record: Path, state: Mapping[str, object]) -> str | None:
    """Return the digest in a cache record; None if it is missing, outdated or damaged."""
    try:
        remembered = parse_json(read_regular(record))
        digest = remembered["sha256"] if remembered["state"] == state else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return digest if isinstance(digest, str) and SHA_256.fullmatch(digest) else None


def _listing(folder: Path) -> Path:
    """Return the path of the file that records the size of each file of a built folder."""
    return folder.with_name(folder.name + ".files.json")


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def _sync_all(folder: Path) -> None:
    """Make the files of a folder survive a power cut, before the folder gets its name."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _require_whole(folder: Path) -> None:
    try:
        made = parse_json(read_regular(_listing(folder)))
    except (OSError, ValueError):
        return  # an earlier version made the folder
    there = _sizes(folder)
    for name, size in made.items() if isinstance(made, dict) else ():
        if there.get(name) != size:
            found = f"has {there[name]:,} bytes" if name in there else "is gone"
            raise ModelError(
                f"{folder} is damaged: {name} {found}, and was written with {size:,}; remove the "
                f"folder (rm -r {shlex.quote(str(folder))}) and run the same command again to "
                "rebuild it"
            )


def _sha256(path: Path, size: int, on_step: OnStep) -> str:
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            on_step(f"digest of {path.name}", done, size)
    return digest.hexdigest()
