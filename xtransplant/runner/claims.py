"""The division of parts among processes: this process claims one part after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence

from xtransplant.files import clear_leftovers
from xtransplant.runner.stopping import require_none
from xtransplant.store import leases
from xtransplant.store.leases import Lease, heartbeat, read_holder
from xtransplant.store.part_names import part_name
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Part

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_WITHOUT_A_WORD = 2.0
"""Time after which a process says that it waits for others."""


def missing_parts(folder: RunFolder, parts: Sequence[Part]) -> list[Part]:
    """Return the parts that have no file, or a faulty one."""
    return [part for part in parts if not folder.is_done(part.language, part.block, part.instances)]


def claimed(
    folder: RunFolder, parts: Sequence[Part], say: Callable[[str], None]
) -> Generator[tuple[Part, Lease], None, None]:
    """Yield the missing parts that no other process works on.

    A part is leased until the next one is requested. At the end, wait for the parts that other
    processes had claimed: such a part is yielded if its lease is given back unfinished or becomes
    stale.

    Args:
        folder: folder of the run.
        parts: parts in this process's share.
        say: function that shows a line: one for each file that is set aside, and one if this
            process waits.

    Raises:
        OutputError: the folder cannot be read or written.
    """
    others = []
    for part in parts:
        if not (yield from _claim(folder, part, say)):
            others.append(part)
    yield from _wait(folder, others, say)


def _wait(
    folder: RunFolder, parts: Sequence[Part], say: Callable[[str], None]
) -> Generator[tuple[Part, Lease], None, None]:
    """Watch the leases of other processes until each has been renewed once; claim free ones."""
    start, said = time.monotonic(), False
    waiting = [(part, _beat(folder, part)) for part in parts]
    while waiting:
        still = []
        is_silent = time.monotonic() - start > leases.STALE_AFTER
        for part, first_beat in waiting:
            if (yield from _claim(folder, part, say, first_beat if is_silent else None)):
                continue
            beat = _beat(folder, part)
            if beat is None or beat == first_beat:
                still.append((part, first_beat))
        if waiting := still:
            if not said and time.monotonic() - start >= SECONDS_WITHOUT_A_WORD:
                say(_waiting_line(folder, [part for part, _ in waiting]))
                said = True
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _waiting_line(folder: RunFolder, parts: Sequence[Part]) -> str:
    name = part_name(parts[0].language, parts[0].block)
    holder = read_holder(folder.leases.folder / name)
    who = f"process {holder.pid} on {holder.host}" if holder else "another process"
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return (
        f"waiting for part {name}{more}, held by {who}; a part is taken over once its holder has "
        f"been silent for {leases.STALE_AFTER:.0f} s"
    )


def _claim(
    folder: RunFolder,
    part: Part,
    say: Callable[[str], None],
    silent_since: float | None = None,
) -> Generator[tuple[Part, Lease], None, bool]:
    """Yield a part if it is free and not done; return whether this process had its lease.

    `silent_since` is as for `Leases.take`.
    """
    require_none()
    lease = folder.leases.take(part_name(part.language, part.block), silent_since)
    if lease is None:
        return False
    with lease:
        path = folder.part_path(part.language, part.block)
        if fault := folder.fault(part.language, part.block, part.instances):
            place = folder.set_aside(part.language, part.block)
            say(f"{path} {fault}; it is now {place}, and the part is computed again")
        clear_leftovers(path)
        if not path.exists():
            yield part, lease
            # False if the lease was lost before the part was written: claim it again then.
            return path.exists() or lease.is_held()
    return True


def _beat(folder: RunFolder, part: Part) -> float | None:
    return heartbeat(folder.leases.folder / part_name(part.language, part.block))
