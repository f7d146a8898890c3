"""Leases divide work among processes. A lease is a small file with a heartbeat.

    .leases/<name>       the holder: host, process, random token; its mtime is the heartbeat
    .leases/.lock-<n>    locks for taking and giving back leases; freed when a process dies

A process takes a lease only while it holds the lock of the lease's name, so two processes never
take the same one. A process that was frozen for longer than `STALE_AFTER` can lose its lease; it
notices when it checks `is_held`. The file system must have locks that work across hosts (local
disks, NFS 4, Lustre mounted with `flock`, GPFS).
"""

from __future__ import annotations

import json
import os
import platform
import stat
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from xtransplant.errors import OutputError
from xtransplant.files import (
    clear_leftovers,
    locked,
    names_of_leftovers,
    read_regular,
    touch,
    write_whole,
    writing,
)
from xtransplant.jsonl import parse_json

SECONDS_BETWEEN_BEATS = 10.0
STALE_AFTER = 60.0
"""Seconds without a heartbeat after which another process may take a lease over."""
LOCKS = 16
"""Number of lock files; with several, processes rarely wait for each other."""
SECONDS_FOR_A_LOCK = 60.0
LONGEST_LEASE = 4096
"""Maximum size of a lease file in bytes."""
LARGEST_PID = 2**31 - 1
"""The largest process id that a system call accepts."""


@dataclass(frozen=True)
class Holder:
    """The holder of a lease.

    Attributes:
        host: name of the machine.
        namespace: namespace of the process id; containers on one host can use the same ids.
        pid: process id.
        token: random text, different each time a lease is taken.
    """

    host: str = field(default_factory=platform.node)
    namespace: str = field(default_factory=lambda: _pid_namespace())
    pid: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: uuid4().hex)

    def is_here(self) -> bool:
        """Return whether the process belongs to this machine and namespace."""
        return (self.host, self.namespace) == (platform.node(), _pid_namespace())

    def is_gone(self) -> bool:
        """Return whether the process belongs to this machine and has ended."""
        if not self.is_here():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # a process of another user
            return False
        return False


@dataclass(frozen=True)
class Leases:
    """The leases in a folder; creating the object touches no file."""

    folder: Path

    def take(self, name: str, silent_since: float | None = None) -> Lease | None:
        """Take a lease that is free or stale; return None if another process holds it.

        Args:
            name: name of the lease.
            silent_since: heartbeat that the caller has seen unchanged for `STALE_AFTER`; a lease
                that still has it counts as stale, even if the holder's clock was ahead.

        Raises:
            OutputError: the folder cannot be written.
        """
        path, holder = self.folder / name, Holder()
        with self._lock_of(name) as now, writing(path):
            if _is_live(path, now) and heartbeat(path) != silent_since:
                return None
            clear_leftovers(path)
            write_whole(path, json.dumps(asdict(holder)).encode())  # sets the heartbeat to now
        return Lease(self, name, holder)

    def live(self) -> dict[str, float]:
        """Return the names of the held leases, with seconds since their last heartbeats.

        It writes nothing, so ages are measured with this machine's clock, not the file system's.
        """
        now, ages = time.time(), {}
        for path in sorted(self.folder.glob("[!.]*")):
            if (beat := heartbeat(path)) is not None and _is_live(path, now):
                ages[path.name] = max(0.0, now - beat)
        return ages

    def give_back(self, name: str, holder: Holder) -> None:
        """Free a lease, unless another process has taken it over.

        Raises:
            OutputError: the folder cannot be written.
        """
        path = self.folder / name
        with self._lock_of(name), writing(path):
            if read_holder(path) == holder:
                path.unlink()

    def give_back_all(self) -> None:
        """Free all leases of this process.

        A signal can arrive between the taking of a lease and its `with` block.

        Raises:
            OutputError: the folder cannot be written.
        """
        for path in self.folder.glob("[!.]*"):
            holder = read_holder(path)
            if holder is not None and holder.is_here() and holder.pid == os.getpid():
                self.give_back(path.name, holder)

    def clear_dead(self) -> None:
        """Remove the leases of ended processes, and temporary files of half-written leases.

        Raises:
            OutputError: the folder cannot be written.
        """
        # A killed process can leave only a temporary file, for a part that is never taken again.
        leases = {path.name for path in self.folder.glob("[!.]*")}
        for name in leases | names_of_leftovers(self.folder):
            path = self.folder / name
            with self._lock_of(name) as now, writing(path):
                if path.is_file() and not _is_live(path, now):
                    path.unlink(missing_ok=True)
                clear_leftovers(path)

    @contextmanager
    def lock(self, name: str, seconds: float = SECONDS_FOR_A_LOCK) -> Iterator[float]:
        """Hold a lock that excludes other processes; yield the file system's current time.

        Raises:
            OutputError: the folder cannot be written, or another process holds the lock too long.
        """
        place = self.folder / f".{name}"
        with locked(place, seconds):
            with writing(place):
                touch(place)
                now = place.stat().st_mtime
            yield now

    def _lock_of(self, name: str) -> AbstractContextManager[float]:
        return self.lock(f"lock-{zlib.crc32(name.encode()) % LOCKS}")


class Lease:
    """A lease of this process: renewed during its `with` block, given back at the end of it."""

    def __init__(self, leases: Leases, name: str, holder: Holder) -> None:
        self._leases = leases
        self._name = name
        self._holder = holder
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def is_held(self) -> bool:
        """Return whether this process still holds the lease."""
        return read_holder(self._path) == self._holder

    def __enter__(self) -> Lease:
        self._heart.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        # A lease that cannot be given back (full disk) becomes stale when this process ends.
        with suppress(OutputError):
            self._leases.give_back(self._name, self._holder)

    @property
    def _path(self) -> Path:
        return self._leases.folder / self._name

    def _beat(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_BEATS):
            holder = read_holder(self._path)
            if holder not in (None, self._holder):
                return
            with suppress(OSError):  # the next beat may succeed
                touch(self._path)


def heartbeat(path: Path) -> float | None:
    """Return when a lease was last renewed, by the file system's clock; None if there is none.

    A symbolic link is not a lease.
    """
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return None
    return None if stat.S_ISLNK(facts.st_mode) else facts.st_mtime


def read_holder(path: Path) -> Holder | None:
    """Return the holder of a lease; None if the file is missing or malformed."""
    try:
        content = parse_json(read_regular(path, LONGEST_LEASE))
    except (OSError, ValueError):
        return None
    types = {entry.name: int if entry.name == "pid" else str for entry in fields(Holder)}
    if not isinstance(content, dict) or content.keys() != types.keys():
        return None
    if not all(type(content[name]) is type_ for name, type_ in types.items()):
        return None
    return Holder(**content) if 0 < content["pid"] <= LARGEST_PID else None


def _is_live(path: Path, now: float) -> bool:
    beat, holder = heartbeat(path), read_holder(path)
    if beat is None or (holder is not None and holder.is_gone()):
        return False
    return abs(now - beat) <= STALE_AFTER  # a heartbeat far in the future is stale, too


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        return ""
