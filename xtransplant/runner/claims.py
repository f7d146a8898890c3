"""Which parts this process does, one after the other; it does not know what doing one means."""

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
    """Return those of the parts that are not done, or whose file is at fault."""
    return [part for part in parts if not folder.is_done(part.language, part.block, part.instances)]


def claimed(
    folder: RunFolder, parts: Sequence[Part], say: Callable[[str], None]
) -> Generator[tuple[Part, Lease], None, None]:
    """Yield those of the parts that are missing and that no other process works on.

    Each is leased until the next is asked for. At the end come those that others had claimed and
    lost: a lease whose heart beats is left alone, one that is silent is waited for and taken over.

    Args:
        folder: of the run.
        parts: of this process's share.
        say: told in one line of each file that is set aside.

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
    """Yield a part if it is free and not done; return whether it was free and stayed so."""
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
            # Lost while it was done, as where somebody removed the leases: nobody else may have it.
            return path.exists() or lease.is_held()
    return True


def _beat(folder: RunFolder, part: Part) -> float | None:
    return heartbeat(folder.leases.folder / part_name(part.language, part.block))
