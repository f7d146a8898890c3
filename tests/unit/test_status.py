"""What runs stand at, by parts that are files with a time of writing and leases that are held."""

import json
import os
from pathlib import Path

import pytest

from xtransplant.cli import main
from xtransplant.status import RunStatus, read_statuses, watched
from xtransplant.store import RunFolder

CONFIG = {"task": {"name": "xnli"}, "model": {"name": "tiny"}, "module": "mlp", "limit": None}
N_PARTS = {"fr": 3, "sw": 3}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "outputs" / "xnli" / "0123456789ab", "0123456789ab")
    made.open_or_create(CONFIG, N_PARTS)
    return made


def write(folder: RunFolder, *times: float) -> None:
    """Give the first parts a file, written at these times."""
    places = [(language, block) for language in N_PARTS for block in range(3)]
    for (language, block), written in zip(places, times, strict=False):
        path = folder.part_path(language, block)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (written, written))


def only(folder: RunFolder) -> RunStatus:
    (found,) = read_statuses(folder.path.parents[1])
    return found


def test_a_run_that_somebody_works_on_tells_rate_and_time_left(folder: RunFolder) -> None:
    # Gaps of 60, 7,000 (a night's pause), and 60 seconds: the middle one counts.
    write(folder, 1000.0, 1060.0, 8060.0, 8120.0)
    with folder.leases.take("sw-0001"):  # type: ignore[union-attr]
        found = only(folder)
    assert (found.run, found.status) == ("xnli/0123456789ab", "running")
    assert (found.parts_done, found.parts) == (4, 6)
    assert (found.parts_per_hour, found.seconds_left) == (60.0, 120.0)
    assert found.heartbeat_age is not None
    assert 0 <= found.heartbeat_age < 30
    left = only(folder)
    assert (left.status, left.seconds_left, left.heartbeat_age) == ("missing", None, None)


@pytest.mark.parametrize(
    ("n_written", "said", "expected"),
    [(6, "failed", ("done", None)), (1, "failed", ("failed", "disk full")), (0, "running", None)],
)
def test_parts_count_for_more_than_what_the_last_process_said(
    folder: RunFolder, n_written: int, said: str, expected: tuple[str, str | None] | None
) -> None:
    write(folder, *[1000.0] * n_written)
    folder.update_manifest(status=said, reason="disk full" if said == "failed" else None)
    found = only(folder)
    assert (found.status, found.reason) == (expected or ("missing", None))
    assert found.parts_per_hour is None  # no time passed between the parts, or there are none


def test_watching_ends_when_nobody_works(folder: RunFolder) -> None:
    lease = folder.leases.take("fr-0000")
    assert lease is not None
    seen = []
    with lease:
        looks = watched(folder.path, 0.0)
        seen.append(next(looks)[0].status)
    seen += [statuses[0].status for statuses in looks]
    assert seen == ["running", "missing"]


def test_the_command_shows_a_table_or_json(
    folder: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.path.parents[2])
    write(folder, 1000.0, 1030.0)
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "xnli/0123456789ab" in shown
    assert "missing" in shown
    assert "2/6" in shown
    assert main(["status", "--json", str(folder.path)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found == {
        "run": str(folder.path),
        "status": "missing",
        "parts_done": 2,
        "parts": 6,
        "parts_per_hour": 120.0,
        "seconds_left": None,
        "heartbeat_age": None,
        "reason": None,
    }
    assert main(["status", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: no folder 'nowhere'")
