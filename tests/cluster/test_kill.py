"""`xtransplant run`, killed at random moments and given again until it is done: every row, once."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
import real_run

from xtransplant.cli import app as cli
from xtransplant.store.leases import read_holder
from xtransplant.store.run_folder import RunFolder

LANGUAGES = ("de", "es", "tr", "id", "sw")
N_PARTS = 5 * len(LANGUAGES)
RUN = (f"languages=[{','.join(LANGUAGES)}]", "limit=50", "grid.stride=2")
SLOWLY = "rows_per_batch=20"
"""So that a kill finds a part in work; it changes neither key nor rows."""
ORDER = ["language", "instance_id", "source_layer", "target_layer"]

# Forked from a process that has imported everything: a start takes a moment, not seconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("xtransplant.cli.app", "xtransplant.runner.run", "pandas", "hydra.main"),
        *("transformers.models.llama.modeling_llama", "transformers.models.auto.modeling_auto"),
    ]
)


class Worker:
    """A process on the run in this folder, and what it says."""

    def __init__(self, *more: str) -> None:
        self._log = Path(f"{uuid4().hex}.log").absolute()
        self.process = FORKS.Process(target=real_run.run, args=((*RUN, *more), str(self._log)))
        self.process.start()

    def said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def works(self) -> bool:
        """Return whether it is past its start: it holds a lease."""
        assert self.process.is_alive(), self.said()
        # A lease can be given back between the listing and the reading: then it has no holder.
        holders = (read_holder(each) for each in Path("outputs").rglob(".leases/[!.]*"))
        return any(holder is not None and holder.pid == self.process.pid for holder in holders)

    def kill(self) -> None:
        assert self.process.is_alive(), "it was done too soon to be killed"
        self.process.kill()
        self.process.join()

    def finish(self) -> None:
        self.process.join(120)
        assert self.process.exitcode == 0, self.said()


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    root = tmp_path_factory.mktemp("undisturbed")
    assert cli.main(["run", *RUN, f"output_root={root}"]) == 0
    yield the_run(root)


def the_run(root: Path = Path("outputs")) -> RunFolder:
    (manifest,) = root.rglob("manifest.json")
    return RunFolder(manifest.parent, manifest.parent.name)


def n_written() -> int:
    return len([*Path("outputs").rglob("generations/[!.]*.parquet")])


def writes() -> bool:
    return any(Path("outputs").rglob("generations/.*.tmp"))


def rows(folder: RunFolder) -> pd.DataFrame:
    """By any reader, with one glob."""
    frame = pd.read_parquet(folder.path / "generations")
    return frame.sort_values(ORDER, na_position="first", ignore_index=True)


def assert_same_run(folder: RunFolder, expected: RunFolder) -> None:
    assert folder.key == expected.key
    pd.testing.assert_frame_equal(rows(folder), rows(expected))
    for name in ("instances", "pairs"):
        found, wanted = (pd.read_parquet(f.path / f"{name}.parquet") for f in (folder, expected))
        pd.testing.assert_frame_equal(found, wanted)
    assert folder.read_manifest().status == "done"
    assert folder.leases.live() == {}
    assert not [*folder.path.rglob("*.tmp")]  # killed in the middle of a write


def test_the_undisturbed_run_has_each_row_once(undisturbed: RunFolder) -> None:
    found = rows(undisturbed)
    assert not found.duplicated(ORDER).any()
    assert len(found) == len(LANGUAGES) * 50 * (1 + 4 * 4)  # the baseline and the cells


@pytest.mark.parametrize("n_kills", [6, pytest.param(30, marks=pytest.mark.crash)])
def test_a_run_killed_at_random_moments_loses_and_doubles_nothing(
    n_kills: int, undisturbed: RunFolder
) -> None:
    source = random.Random(5)
    for attempt in range(n_kills):
        before = n_written()
        worker = Worker(SLOWLY)
        longest = 0.3
        if attempt % 3:  # else anywhere in its start
            wait_until(worker.works)
            longest = 0.1
        if attempt % 3 == 2:  # else in the first part it takes
            wait_until(lambda before=before: n_written() > before or writes())
            longest = 0.02
        time.sleep(source.uniform(0, longest))
        worker.kill()
    done = len(the_run().parts())
    assert 0 < done < N_PARTS  # the kills came while it worked, and it got on
    kept = {path: path.stat().st_mtime_ns for path in the_run().parts()}
    last = Worker()
    last.finish()
    assert f"{done} of {N_PARTS} parts are done already" in last.said()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert_same_run(the_run(), undisturbed)


@pytest.mark.parametrize("n_kills", [2, pytest.param(6, marks=pytest.mark.crash)])
def test_two_processes_at_once_killed_at_random_and_a_part_cut_off(
    n_kills: int, undisturbed: RunFolder
) -> None:
    source = random.Random(6)
    for attempt in range(n_kills):
        before = n_written()
        both = [Worker(SLOWLY) for _ in range(2)]
        for worker in both:
            wait_until(worker.works)
        wait_until(lambda before=before: n_written() > before)
        for worker in both:
            time.sleep(source.uniform(0, 0.1))
            worker.kill()
        if attempt == n_kills - 2:
            victim = the_run().parts()[0]
            half = victim.read_bytes()[: victim.stat().st_size // 2]
            victim.write_bytes(half)
    done = len(the_run().parts())
    assert 0 < done < N_PARTS
    (aside,) = (the_run().path / ".set_aside").iterdir()
    assert aside.name.startswith(victim.name) and aside.read_bytes() == half
    both = [Worker(SLOWLY) for _ in range(2)]
    for worker in both:
        wait_until(worker.works)  # they divide what is left
    for worker in both:
        worker.finish()
    assert_same_run(the_run(), undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_drops_the_part_and_gives_the_lease_back(number: signal.Signals) -> None:
    worker = Worker(SLOWLY)
    wait_until(worker.works)
    os.kill(worker.process.pid or 0, number)
    worker.process.join(60)
    assert worker.process.exitcode == 128 + number
    said = worker.said().strip().splitlines()[-1]
    assert said.startswith("error: ") and said.endswith("run the same command again to resume")
    folder = the_run()
    assert len(folder.parts()) < N_PARTS and folder.leases.live() == {}
    manifest = folder.read_manifest()
    name = "KeyboardInterrupt" if number == signal.SIGINT else f"Stopped: {number.name}"
    assert (manifest.status, manifest.reason) == ("missing", name)


def test_what_a_killed_process_had_half_written_is_cleared_away() -> None:
    run = ["run", "languages=[sw,de]", "limit=10", "grid.stride=8"]
    assert cli.main(run) == 0
    folder = the_run()
    parts = [path.name for path in folder.parts()]
    folder.part_path("sw", 0).unlink()
    half = folder.part_path("sw", 0).with_name(".sw-0000.parquet.0123.tmp")
    of_verdicts = next(folder.path.glob("scores/*")) / half.name
    for path in (half, of_verdicts):
        path.write_bytes(b"PAR1")
    assert cli.main(run) == 0
    for path in (half, of_verdicts):
        assert sorted(each.name for each in path.parent.iterdir()) == parts
