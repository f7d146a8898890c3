"""Which of several processes does what: one small file a lease, with a heartbeat.

    .leases/<name>       who holds it: host, process, a random token; its time is the heartbeat's
    .leases/.lock-<n>    locks under which leases change hands; the system frees a dead process's

A lease is taken only while the lock of its name is held, so two processes never both take one. A
process that was frozen for longer than `STALE_AFTER` finds at its next look that the lease is
another's. It does not know what a lease is of. It needs a file system whose locks reach every host
(local disks, NFS 4, Lustre mounted with `flock`, GPFS).
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from filelock import FileLock, Timeout

from xtransplant.errors import OutputError
from xtransplant.files import writing

SECONDS_BETWEEN_BEATS = 10.0
STALE_AFTER = 60.0
"""Seconds without a heartbeat after which a lease may be taken over."""
LOCKS = 16
"""Lock files: few, and yet processes that take leases at once seldom wait for each other."""
SECONDS_FOR_A_LOCK = 60.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        host: name of the machine.
        namespace: of process ids; two containers of one host name can have the same ids.
        pid: of the process.
        token: random, of this one taking.
    """

    host: str = field(default_factory=platform.node)
    namespace: str = field(default_factory=lambda: _pid_namespace())
    pid: int = field(default_factory=os.getpid)
    token: str = field(default_factory=lambda: uuid4().hex)

    def is_here(self) -> bool:
        """Return whether this is a process of this machine, where its id means something."""
        return (self.host, self.namespace) == (platform.node(), _pid_namespace())

    def is_gone(self) -> bool:
        """Return whether this is a process of this machine that has ended."""
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
    """The leases in a folder; making the object touches no file."""

    folder: Path

    def take(self, name: str) -> Lease | None:
        """Take a lease that is free or stale; None if another process holds it.

        Raises:
            OutputError: the folder cannot be written.
        """
        path, holder = self.folder / name, Holder()
        with self._lock_of(name) as now, writing(path):
            if _is_live(path, now):
                return None
            # Not renamed into place: a file written anew has the heartbeat of this moment.
            try:
                path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
            except OSError:
                path.unlink(missing_ok=True)  # on a full disk an empty file would be left
                raise
        return Lease(self, name, holder)

    def live(self) -> dict[str, float]:
        """Return what somebody holds: name, and seconds since the last heartbeat. Only reads.

        The clock is this machine's, the heartbeat that of the file system.
        """
        now, ages = time.time(), {}
        for path in sorted(self.folder.glob("[!.]*")):
            if (beat := heartbeat(path)) is not None and _is_live(path, now):
                ages[path.name] = max(0.0, now - beat)
        return ages

    def give_back(self, name: str, holder: Holder) -> None:
        """Make a lease free, unless another has taken it over.

        Raises:
            OutputError: the folder cannot be written.
        """
        path = self.folder / name
        with self._lock_of(name), writing(path):
            if read_holder(path) == holder:
                path.unlink()

    def give_back_all(self) -> None:
        """Make free what this process holds: a signal can come between taking and using a lease.

        Raises:
            OutputError: the folder cannot be written.
        """
        for path in self.folder.glob("[!.]*"):
            holder = read_holder(path)
            if holder is not None and holder.is_here() and holder.pid == os.getpid():
                self.give_back(path.name, holder)

    @contextmanager
    def lock(self, name: str, seconds: float = SECONDS_FOR_A_LOCK) -> Iterator[float]:
        """Keep every other process out for a moment; yields the file system's time.

        Raises:
            OutputError: the folder cannot be written, or another process kept the lock too long.
        """
        path = self.folder / f".{name}"
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=seconds)
            try:
                lock.acquire()
            except Timeout as error:
                raise OutputError(
                    f"another process has held {path} for {seconds:.0f} s; if it hangs, end it and "
                    "run the same command again"
                ) from error
            except NotImplementedError as error:
                raise OutputError(
                    f"the file system of {path} has no locks; choose an output_root on one that has"
                ) from error
        try:
            with writing(path):
                os.utime(path)
                now = path.stat().st_mtime
            yield now
        finally:
            lock.release()

    def _lock_of(self, name: str) -> AbstractContextManager[float]:
        return self.lock(f"lock-{zlib.crc32(name.encode()) % LOCKS}")


class Lease:
    """A lease that this process took; inside its `with` block the heart beats, then it is free."""

    def __init__(self, leases: Leases, name: str, holder: Holder) -> None:
        self._leases = leases
        self._name = name
        self._holder = holder
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def is_held(self) -> bool:
        """Return whether nobody has taken it over."""
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
        # A lease that cannot be given back, as on a full disk, is stale when this process ends.
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
            with suppress(OSError):  # what could not be read or written now may be at the next
                os.utime(self._path)


def heartbeat(path: Path) -> float | None:
    """Return when a lease was last renewed, by the file system's clock; None if there is none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def read_holder(path: Path) -> Holder | None:
    """Return who holds a lease; None if nobody does, or the file was cut off by a power cut."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _is_live(path: Path, now: float) -> bool:
    beat, holder = heartbeat(path), read_holder(path)
    if beat is None or (holder is not None and holder.is_gone()):
        return False
    return now - beat <= STALE_AFTER


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        return ""
