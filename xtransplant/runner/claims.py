"""Which parts this process does, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence

from xtransplant.files import clear_leftovers
from xtransplant.runner.stopping import require_none
from xtransplant.store.leases import Lease, heartbeat
from xtransplant.store.part_file import part_name
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Part

SECONDS_BETWEEN_LOOKS = 1.0


def missing_parts(folder: RunFolder, parts: Sequence[Part]) -> list[Part]:
    """Return the parts that have no file, or one with a fault."""
    return [part for part in parts if not folder.is_done(part.language, part.block, part.instances)]


def claimed(
    folder: RunFolder, parts: Sequence[Part], say: Callable[[str], None]
) -> Generator[tuple[Part, Lease], None, None]:
    """Yield the parts that are missing and that no other process works on.

    A part is leased until the next one is asked for. After that, parts that other processes had
    claimed are waited for: one is yielded if its lease is given back undone, or goes stale.

    Args:
        folder: folder of the run.
        parts: parts of this process's share.
        say: function that shows one line; called for each file that is set aside.

    Raises:
        OutputError: the folder cannot be read or written.
    """
    others = []
    for part in parts:
        if not (yield from _claim(folder, part, say)):
            others.append(part)
    waiting = [(part, _beat(folder, part)) for part in others]
    while waiting:
        still = []
        for part, first_beat in waiting:
            if (yield from _claim(folder, part, say)):
                continue
            beat = _beat(folder, part)
            if beat is None or beat == first_beat:
                still.append((part, first_beat))
        if waiting := still:
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _claim(
    folder: RunFolder, part: Part, say: Callable[[str], None]
) -> Generator[tuple[Part, Lease], None, bool]:
    """Yield a part if it is free and not done; return whether this process had its lease."""
    require_none()
    lease = folder.leases.take(part_name(part.language, part.block))
    if lease is None:
        return False
    with lease:
        path = folder.part_path(part.language, part.block)
        if fault := folder.fault(part.language, part.block, part.instances):
            place = folder.set_aside(part.language, part.block)
            say(f"{path} {fault}; it is now {place}, and the part is done again")
        clear_leftovers(path)
        if not path.exists():
            yield part, lease
            # False if the lease was lost and the part is undone: then it must be claimed again.
            return path.exists() or lease.is_held()
    return True


def _beat(folder: RunFolder, part: Part) -> float | None:
    return heartbeat(folder.leases.folder / part_name(part.language, part.block))
