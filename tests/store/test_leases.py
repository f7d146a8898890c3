import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from xtransplant.errors import OutputError
from xtransplant.store import leases
from xtransplant.store.leases import Holder, Leases, read_holder

TAKE_ALL = """
import sys, time
from pathlib import Path
from xtransplant.store.leases import Leases
held = Leases(Path(sys.argv[1]))
while time.time() < float(sys.argv[2]):  # both begin at once
    pass
for number in range(60):
    if lease := held.take(f"part-{number}"):
        print(number, flush=True)
print("end", flush=True)
sys.stdin.read()  # alive until all are done: the leases of the dead are free
"""


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_lease_is_taken_once_until_it_is_given_back(tmp_path):
    first, second = Leases(tmp_path / "a"), Leases(tmp_path / "a")
    lease = first.take("fr-0000")
    with lease:
        assert lease.is_held()
        assert second.take("fr-0000") is None
        assert second.take("fr-0001") is not None
        assert list(first.live()) == ["fr-0000", "fr-0001"]
    assert not lease.is_held()
    assert second.take("fr-0000") is not None


def test_a_lease_says_who_holds_it(tmp_path):
    Leases(tmp_path).take("fr-0000")
    content = json.loads((tmp_path / "fr-0000").read_text())
    assert content["pid"] == os.getpid() and content["host"] == os.uname().nodename
    assert len(content["token"]) == 32


def test_an_error_gives_the_lease_back(tmp_path):
    with pytest.raises(KeyboardInterrupt), Leases(tmp_path).take("fr-0000"):
        raise KeyboardInterrupt
    assert Leases(tmp_path).live() == {}


@pytest.mark.parametrize(("seconds", "is_live"), [(50, True), (70, False)])
def test_a_silent_lease_of_another_host_is_taken_over_after_a_minute(tmp_path, seconds, is_live):
    mine = Leases(tmp_path).take("fr-0000")
    path = tmp_path / "fr-0000"
    other = replace(Holder(), host="elsewhere", pid=1)
    path.write_text(json.dumps(asdict(other)))
    age(path, seconds)
    assert bool(Leases(tmp_path).live()) == is_live
    assert (Leases(tmp_path).take("fr-0000") is None) == is_live
    assert not mine.is_held()


def test_a_lease_of_a_dead_process_of_this_host_is_taken_over_at_once(tmp_path):
    script = "from xtransplant.store.leases import Leases; from pathlib import Path; import sys;"
    script += "Leases(Path(sys.argv[1])).take('fr-0000')"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert (tmp_path / "fr-0000").exists()  # nothing gave it back
    assert Leases(tmp_path).take("fr-0000") is not None


def test_a_process_id_of_another_container_says_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, check=True, text=True)  # fmt: skip
    gone = replace(Holder(), pid=int(done.stdout))
    assert gone.is_gone()
    assert not replace(gone, namespace="pid:[1]").is_gone()
    assert not replace(gone, host="elsewhere").is_gone()
    assert not Holder().is_gone()


def test_a_frozen_process_finds_its_lease_taken_over_and_leaves_the_new_one_alone(tmp_path):
    frozen = Leases(tmp_path).take("fr-0000")
    with frozen:
        age(tmp_path / "fr-0000", 70)
        new = Leases(tmp_path).take("fr-0000")
        assert new is not None and new.is_held()
        assert not frozen.is_held()
    assert new.is_held()


def test_a_heart_beats_while_a_lease_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_BEATS", 0.01)
    path = tmp_path / "fr-0000"
    with Leases(tmp_path).take("fr-0000"):
        age(path, 50)
        until = time.monotonic() + 5
        while time.time() - path.stat().st_mtime > 10 and time.monotonic() < until:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 10


def test_a_heart_beats_on_though_the_lease_cannot_be_read_for_a_moment(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_BEATS", 0.01)
    path = tmp_path / "fr-0000"
    with Leases(tmp_path).take("fr-0000"), monkeypatch.context() as moment:
        moment.setattr(leases, "read_holder", lambda _path: None)
        age(path, 50)
        until = time.monotonic() + 5
        while time.time() - path.stat().st_mtime > 10 and time.monotonic() < until:
            time.sleep(0.01)
        assert time.time() - path.stat().st_mtime < 10


def test_a_heart_does_not_beat_for_a_lease_that_is_anothers_by_now(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_BEATS", 0.01)
    path = tmp_path / "fr-0000"
    with Leases(tmp_path).take("fr-0000"):
        path.write_text(json.dumps(asdict(replace(Holder(), host="elsewhere"))))
        time.sleep(0.2)  # a beat that was under way
        age(path, 50)
        time.sleep(0.2)
        assert time.time() - path.stat().st_mtime > 40


def test_all_that_a_process_gives_back_is_its_own(tmp_path):
    mine, others = Leases(tmp_path), replace(Holder(), pid=os.getppid())
    mine.take("fr-0000")
    (tmp_path / "fr-0001").write_text(json.dumps(asdict(others)))
    mine.give_back_all()
    assert list(mine.live()) == ["fr-0001"]


def test_a_file_cut_off_by_a_power_cut_is_a_lease_until_it_is_stale(tmp_path):
    (tmp_path / "fr-0000").write_text('{"ho')
    assert read_holder(tmp_path / "fr-0000") is None
    assert Leases(tmp_path).take("fr-0000") is None
    age(tmp_path / "fr-0000", 70)
    assert Leases(tmp_path).take("fr-0000") is not None


def test_of_processes_that_take_over_at_once_one_wins(tmp_path):
    """Sixty stale leases, three processes that want them all: each is taken over once."""
    for number in range(60):
        path = tmp_path / f"part-{number}"
        path.write_text(json.dumps(asdict(replace(Holder(), host="elsewhere"))))
        age(path, 70)
    start = str(time.time() + 1)
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE_ALL, str(tmp_path), start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    taken = Counter(number for taker in takers for number in iter(taker.stdout.readline, "end\n"))
    for taker in takers:
        taker.communicate("")
    assert taken == {f"{number}\n": 1 for number in range(60)}


def test_a_lock_that_another_process_keeps(tmp_path):
    with (
        Leases(tmp_path).lock("manifest"),
        pytest.raises(OutputError) as error,
        Leases(tmp_path).lock("manifest", seconds=0.1),
    ):
        pass
    assert str(error.value).startswith(f"another process has held {tmp_path / '.manifest'} for")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        Leases(tmp_path / "file").take("fr-0000")
    assert Leases(tmp_path / "file").live() == {}


def test_a_lease_that_is_a_link_is_replaced_and_its_target_left_alone(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    before = precious.stat().st_mtime_ns
    folder = tmp_path / "leases"
    folder.mkdir()
    for name, target in (("fr-0000", precious), ("fr-0001", tmp_path / "absent")):
        (folder / name).symlink_to(target)
        assert Leases(folder).live() == {}
        with Leases(folder).take(name) as lease:
            assert lease.is_held()
            assert not (folder / name).is_symlink()
    assert precious.read_text() == "mine" and precious.stat().st_mtime_ns == before
    assert not (tmp_path / "absent").exists()


def test_a_lease_that_shares_its_file_with_another_name_leaves_that_one_alone(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "leases").mkdir()
    os.link(precious, tmp_path / "leases" / "fr-0000")
    age(precious, 70)
    assert Leases(tmp_path / "leases").take("fr-0000") is not None
    assert precious.read_text() == "mine"


def test_a_lock_that_is_a_link_is_refused_and_its_target_left_alone(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / ".manifest").symlink_to(precious)
    with (
        pytest.raises(OutputError, match="symbolic link, which is never followed"),
        Leases(tmp_path).lock("manifest"),
    ):
        pass
    assert precious.read_text() == "mine"


ODD_HOLDERS = [
    *({"pid": pid} for pid in ("abc", None, -1, 0, 1.5, True, 2**70, [1])),
    *({"host": None}, {"token": 3}, {"namespace": {}}, {"more": 1}),
]


@pytest.mark.parametrize("change", ODD_HOLDERS, ids=str)
def test_a_lease_with_an_odd_field_is_one_without_holder(tmp_path, change):
    (tmp_path / "fr-0000").write_text(json.dumps(asdict(Holder()) | change))
    assert read_holder(tmp_path / "fr-0000") is None
    assert list(Leases(tmp_path).live()) == ["fr-0000"]
    assert Leases(tmp_path).take("fr-0000") is None
    Leases(tmp_path).give_back_all()
    age(tmp_path / "fr-0000", 70)
    assert Leases(tmp_path).take("fr-0000") is not None


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"[]", b"1" * 5000, b" " * 10**6])
def test_a_file_that_is_no_lease(tmp_path, content):
    (tmp_path / "fr-0000").write_bytes(content)
    assert read_holder(tmp_path / "fr-0000") is None


def test_a_pipe_in_place_of_a_lease_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fr-0000")
    assert read_holder(tmp_path / "fr-0000") is None
    age(tmp_path / "fr-0000", 70)
    with pytest.raises(OutputError, match="not a regular file"):
        Leases(tmp_path).take("fr-0000")


@pytest.mark.parametrize(("ahead", "is_live"), [(30, True), (70, False), (10**6, False)])
def test_a_lease_from_a_clock_that_is_ahead(tmp_path, ahead, is_live):
    path = tmp_path / "fr-0000"
    path.write_text(json.dumps(asdict(replace(Holder(), host="elsewhere"))))
    age(path, -ahead)
    assert bool(Leases(tmp_path).live()) == is_live
    assert (Leases(tmp_path).take("fr-0000") is None) == is_live
    # Whoever saw the same heartbeat for a minute takes it over.
    assert Leases(tmp_path).take("fr-0000", leases.heartbeat(path)) is not None


def test_a_half_written_lease_is_cleared_though_nobody_takes_its_part_again(tmp_path):
    """Its part may have been done by another process meanwhile."""
    half = tmp_path / f".es-0003.{'0' * 32}.tmp"
    half.write_bytes(b"{")
    reserve = tmp_path / ".reserve"
    for path in (reserve, tmp_path / f"..reserve.{'0' * 32}.tmp"):
        path.touch()
    age(reserve, 70)
    Leases(tmp_path).clear_dead()
    assert not half.exists() and Leases(tmp_path).live() == {}
    assert reserve.exists()  # no lease


def test_leases_that_dead_processes_left_are_cleared(tmp_path):
    """A process can be killed after it wrote its part and before it gives the lease back."""
    for name, host in (("fr-0000", "elsewhere"), ("fr-0001", "elsewhere")):
        (tmp_path / name).write_text(json.dumps(asdict(replace(Holder(), host=host))))
    age(tmp_path / "fr-0000", 70)
    mine = Leases(tmp_path).take("fr-0002")
    Leases(tmp_path).clear_dead()
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["fr-0001", "fr-0002"]
    assert mine.is_held()
