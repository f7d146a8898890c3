"""Which parts a process does."""

import shutil
from contextlib import closing
from pathlib import Path

from xtransplant.runner.claims import claimed
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
