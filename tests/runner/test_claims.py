"""Which parts a process does."""

import json
import os
import shutil
import time
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from xtransplant.runner.claims import claimed
from xtransplant.store import leases
from xtransplant.store.leases import Holder
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Instance, Part


def part(block: int) -> Part:
    one = Instance(f"i{block}", "fr", "en", "fr", "Yes?", "Oui ?", gold="1")
    return Part("fr", block, (one,), prompts=())


def test_a_part_whose_lease_was_removed_is_done_again(tmp_path: Path) -> None:
    """It is not written without a lease, and nobody else may know of it."""
    folder = RunFolder(tmp_path / "run", "0123456789ab")
    offered = []
    with closing(claimed(folder, [part(0), part(1)], print)) as claims:
        for each, lease in claims:
            offered.append(each.block)
            if len(offered) == 1:
                shutil.rmtree(folder.leases.folder)
            assert lease.is_held() == (len(offered) > 1)
            assert len(offered) < 5
    assert offered == [0, 1, 0]


def held_by_another(folder: RunFolder, ahead: float) -> Path:
    """Write a lease of another host whose clock is ahead by some seconds."""
    folder.leases.folder.mkdir(parents=True)
    path = folder.leases.folder / "fr-0000"
    path.write_text(json.dumps(asdict(replace(Holder(), host="elsewhere", pid=7))))
    then = time.time() + ahead
    os.utime(path, (then, then))
    return path


def test_waiting_for_another_process_is_said_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder is gone, and its clock was ahead."""
    monkeypatch.setattr(leases, "STALE_AFTER", 3.0)
    monkeypatch.setattr("xtransplant.runner.claims.SECONDS_BETWEEN_LOOKS", 0.1)
    folder = RunFolder(tmp_path / "run", "0123456789ab")
    held_by_another(folder, ahead=2.9)
    said: list[str] = []
    start = time.monotonic()
    with closing(claimed(folder, [part(0)], said.append)) as claims:
        assert next(claims)[0].block == 0
    assert 3.0 <= time.monotonic() - start < 4.5  # by the holder's clock: 5.9
    assert said == [
        "waiting for part fr-0000, held by process 7 on elsewhere; a part is taken over once its "
        "holder has been silent for 3 s"
    ]
