"""Runs that are killed at random moments, until they are done: every row is there, once."""

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import cheap_run
import pandas as pd
import pytest
from cheap_run import KEY, planned, rows_of

from xtransplant.store import RunFolder

ORDER = ["language", "instance_id", "source_layer", "target_layer"]
N_PARTS = 80
SECONDS_PER_PART = 0.02


# Forked from a process that has imported everything: a start takes a moment, not a second.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["cheap_run"])


class Worker:
    """A process on a run, and what it says."""

    def __init__(self, path: Path, seconds: float = SECONDS_PER_PART) -> None:
        self._log = path.parent / f"{uuid4().hex}.log"
        arguments = (str(path), N_PARTS, seconds, str(self._log))
        self.process = FORKS.Process(target=cheap_run.run, args=arguments)
        self.process.start()

    def said(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def kill_at_random(self, source: random.Random, longest: float) -> None:
        """Kill it at a moment after it found out what is done, while it works."""
        wait_until(self.said)
        time.sleep(source.uniform(0, longest))
        assert self.process.is_alive()
        self.process.kill()
        self.process.join()

    def finish(self) -> list[str]:
        self.process.join()
        assert self.process.exitcode == 0
        return self.said()


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("undisturbed") / "run", KEY)
    cheap_run.work(folder, planned(N_PARTS), 0.0)
    return folder


def rows(folder: RunFolder) -> pd.DataFrame:
    """By any reader, with one glob."""
    frame = pd.read_parquet(folder.path / "generations")
    return frame.sort_values(ORDER, na_position="first", ignore_index=True)


def assert_same_run(folder: RunFolder, expected: RunFolder) -> None:
    pd.testing.assert_frame_equal(rows(folder), rows(expected))
    for name in ("instances", "pairs"):
        found, wanted = (pd.read_parquet(f.path / f"{name}.parquet") for f in (folder, expected))
        pd.testing.assert_frame_equal(found, wanted)
    assert folder.read_manifest().status == "done"
    assert folder.leases.live() == {}
    left = [path.name for path in folder.path.rglob("*.tmp")]
    assert all(name.startswith(".") for name in left)  # killed in the middle of a write


def test_the_undisturbed_run_is_what_the_parts_say(undisturbed):
    expected = [row for part in planned(N_PARTS) for row in rows_of(part)]
    texts = {(r.instance.language, r.instance.id, r.cell): r.generation.text for r in expected}
    assert len(texts) == len(expected) == N_PARTS * 4 * 10
    found = rows(undisturbed)
    assert len(found) == len(expected)
    assert set(found.text) == set(texts.values())


def test_a_run_killed_at_thirty_random_moments_loses_and_doubles_nothing(undisturbed, tmp_path):
    folder = RunFolder(tmp_path / "run", KEY)
    source = random.Random(5)
    for _ in range(30):
        Worker(folder.path).kill_at_random(source, 0.09)
    done = len(folder.parts())
    assert 0 < done < N_PARTS  # the kills came while it worked, and it got on
    said = Worker(folder.path, seconds=0).finish()
    assert said[0] == f"{done} of {N_PARTS} done"
    assert sum(line.endswith("written") for line in said) == N_PARTS - done
    assert_same_run(folder, undisturbed)


def test_two_processes_at_once_killed_at_random_and_a_part_cut_off(undisturbed, tmp_path):
    folder = RunFolder(tmp_path / "run", KEY)
    source = random.Random(6)
    for attempt in range(10):
        both = [Worker(folder.path, seconds=0.05) for _ in range(2)]
        for worker in both:
            worker.kill_at_random(source, 0.2)
        if attempt == 4:
            victim = folder.parts()[0]
            half = victim.read_bytes()[: victim.stat().st_size // 2]
            victim.write_bytes(half)
    done = len(folder.parts())
    assert 0 < done < N_PARTS
    (aside,) = (folder.path / ".set_aside").iterdir()
    assert aside.name.startswith(victim.name) and aside.read_bytes() == half
    both = [Worker(folder.path, seconds=0.02) for _ in range(2)]
    written = [[line for line in worker.finish() if line.endswith("written")] for worker in both]
    assert all(written)  # divided
    assert len(written[0] + written[1]) == len({*written[0], *written[1]}) == N_PARTS - done
    assert_same_run(folder, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_drops_the_part_and_gives_the_lease_back(tmp_path, number):
    folder = RunFolder(tmp_path / "run", KEY)
    worker = Worker(folder.path, seconds=30)
    wait_until(folder.leases.live)
    os.kill(worker.process.pid, number)
    worker.process.join(10)
    assert folder.parts() == [] and folder.leases.live() == {}
    manifest = json.loads((folder.path / "manifest.json").read_text())
    name = "KeyboardInterrupt" if number == signal.SIGINT else f"Stopped: {number.name}"
    assert (manifest["status"], manifest["reason"]) == ("missing", name)


def test_what_a_killed_process_had_half_written_is_cleared_away(tmp_path):
    folder = RunFolder(tmp_path / "run", KEY)
    folder.open_or_create(cheap_run.CONFIG, {"fr": 2, "sw": 2})
    half = folder.part_path("fr", 1).with_name(".fr-0001.parquet.0123.tmp")
    half.parent.mkdir()
    half.write_bytes(b"PAR1")
    cheap_run.work(folder, planned(4), 0.0)
    parts = [f"{language}-000{block}.parquet" for language in ("fr", "sw") for block in (0, 1)]
    assert sorted(path.name for path in half.parent.iterdir()) == parts
