"""Files of run folders that others made: read for what they say, or told in one line."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from damage import damaged, json_bytes, swapped
from hypothesis import assume, given
from hypothesis import strategies as st

from xtransplant import cache, load_runs
from xtransplant.commands.status import status_of
from xtransplant.config.compose import compose
from xtransplant.config.schema import RunConfig
from xtransplant.errors import OutputError
from xtransplant.store import receipts
from xtransplant.store.columns import Row
from xtransplant.store.leases import Holder, Leases, read_holder
from xtransplant.store.manifest import Manifest
from xtransplant.store.receipts import Receipt, find_receipt, states, write_receipt
from xtransplant.store.recorded_cost import RecordedCost
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import require_verdicts, verdicts_path, write_judged_part
from xtransplant.types import Cell, Generation, Instance, LanguageSummary, Score

MANIFEST = Manifest(
    key="k",
    config={"task": {"name": "t", "scorer": "paper"}, "model": {"name": "m"}, "module": "mlp"},
    n_parts={"sw": 1},
    status="done",
    cost={"seconds": 1.0, "n_layers": 2},
)
LABEL = "paper-2"
SCORER = SimpleNamespace(label=LABEL, setting="paper")


def one_line(error: BaseException) -> None:
    assert "\n" not in str(error) and str(error)


@given(st.data())
@pytest.mark.filterwarnings("ignore:.*gone; run the same command")
def test_an_odd_manifest_is_read_or_told(place: Path, data: st.DataObject) -> None:
    content = json.loads(MANIFEST.to_json())
    text = data.draw(
        st.one_of(damaged(MANIFEST.to_json().encode()), swapped(content).map(json_bytes))
    )
    (place / "manifest.json").write_bytes(text)
    status = status_of(place)
    assert status.status in ("running", "done", "failed", "missing", "unreadable")
    json.dumps(asdict(status))
    try:
        (run,) = load_runs(place).runs
    except OutputError as error:
        one_line(error)
        return
    manifest = run.folder.read_manifest()
    RecordedCost.read(manifest.cost)
    assert Manifest.from_json(manifest.to_json()) == manifest


@given(st.data())
def test_an_odd_lease_is_nobodys_and_hinders_nobody(place: Path, data: st.DataObject) -> None:
    folder = Leases(place)
    holder = asdict(Holder())
    content = data.draw(
        st.one_of(damaged(json.dumps(holder).encode()), swapped(holder).map(json_bytes))
    )
    path = place / "sw-0000"
    path.write_bytes(content)
    found = read_holder(path)
    with suppress(ValueError):
        assert found is None or json.loads(content) == asdict(found)
    os.utime(path, (0, 0))  # long ago
    assert folder.live() == {}
    lease = folder.take("sw-0000")
    assert lease is not None and lease.is_held()
    folder.give_back_all()
    assert not path.exists()


@pytest.fixture
def config(place: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    monkeypatch.chdir(place)
    return compose(["output_root=out"])


@given(st.data())
def test_an_odd_receipt_counts_as_none(place: Path, config: RunConfig, data: st.DataObject) -> None:
    run = Path("out", config.task.name, config.model.name, config.module, "k")
    run.mkdir(parents=True, exist_ok=True)
    written = run / "part"
    written.write_bytes(b"rows")
    summary = LanguageSummary("fr", 5, 0.2, Cell(1, 2), 0.4, 0.6)
    receipt = Receipt(run, 3, 64, ["data: free"], [summary])
    write_receipt(config, receipt, states([place / "read"]), [written])
    assert find_receipt(config) == receipt
    (path,) = (run / receipts.FOLDER).glob("*.json")
    content = path.read_bytes()
    path.write_bytes(
        data.draw(st.one_of(damaged(content), swapped(json.loads(content)).map(json_bytes)))
    )
    assert find_receipt(config) in (None, receipt)


def filled(place: Path) -> RunFolder:
    folder = RunFolder(place / "k", "k")
    folder.open_or_create(dict(MANIFEST.config), {"sw": 1})
    instance = Instance("q", "sw", "en", "sw", "Is it?", "Ni?", "1")
    rows = [
        Row(instance, cell, Generation((7, 2), "1", "eos"), {LABEL: Score("1", True)})
        for cell in (None, Cell(0, 1))
    ]
    write_judged_part(folder, "sw", 0, "none", rows)
    return folder


@given(st.data())
def test_no_damage_of_a_part_is_unseen(place: Path, data: st.DataObject) -> None:
    folder = filled(place)
    path = folder.part_path("sw", 0)
    content = path.read_bytes()
    changed = data.draw(damaged(content))
    assume(changed != content)
    path.write_bytes(changed)
    fault = folder.fault("sw", 0)
    assert fault and "\n" not in fault
    for read in (folder.read_generations, folder.read_instances):
        with pytest.raises(OutputError) as error:
            read()
        one_line(error.value)


@given(st.data())
def test_no_damage_of_verdicts_is_unseen(place: Path, data: st.DataObject) -> None:
    folder = filled(place)
    path = verdicts_path(folder, LABEL, "sw-0000.parquet")
    content = path.read_bytes()
    require_verdicts(folder, [SCORER])
    changed = data.draw(damaged(content))
    assume(changed != content)
    path.write_bytes(changed)
    with pytest.raises(OutputError) as error:
        require_verdicts(folder, [SCORER])
    one_line(error.value)
    assert "xtransplant rescore" in str(error.value)


@given(st.data())
def test_an_odd_record_of_a_digest_never_gives_another_digest(
    place: Path, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XTRANSPLANT_CACHE", str(place / "cache"))
        patch.setattr(cache, "_REMEMBER_BYTES", 0)
        path = place / "weights"
        path.write_bytes(b"weights")
        right = hashlib.sha256(b"weights").hexdigest()
        assert cache.file_digest(path) == right
        (record,) = (place / "cache" / "digests").glob("*.json")
        text = record.read_bytes()
        changed = data.draw(
            st.one_of(
                damaged(text.replace(right.encode(), b"")),  # a digest of 64 letters is believed
                swapped(json.loads(text)["state"]).map(
                    lambda state: json_bytes({"state": state, "sha256": "0" * 64})
                ),
            )
        )
        with suppress(ValueError):
            assume(json.loads(changed) != json.loads(text) | {"sha256": "0" * 64})
        record.write_bytes(changed)
        assert cache.file_digest(path) == right
