import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from glob import glob

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from xtransplant import files, load_runs
from xtransplant.analysis.finished import finished
from xtransplant.config import primary_family
from xtransplant.errors import OutputError, Stopped
from xtransplant.store import run_folder as store
from xtransplant.store.columns import (
    GENERATIONS,
    INSTANCES_OF_PART,
    Row,
    part_table,
)
from xtransplant.store.manifest import Manifest
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.view_files import INSTANCES, PAIRS, write_views
from xtransplant.types import Cell, Generation, Instance, Option, Score

CONFIG = {"task": {"name": "xnli"}, "model": {"name": "tiny"}, "module": "mlp", "limit": None}
N_PARTS = {"fr": 2, "zh-CN": 1}

# The contract's columns, typed out: name, type, whether it may be null.
GENERATION_COLUMNS = [
    ("instance_id", "string", False),
    ("language", "string", False),
    ("source_language", "string", False),
    ("target_language", "string", False),
    ("control", "string", False),
    ("source_layer", "int16", True),
    ("target_layer", "int16", True),
    ("text", "string", False),
    ("n_tokens", "int16", False),
    ("finish", "string", False),
    ("answer", "string", True),
    ("correct", "bool", False),
    ("option_logprobs", "list<element: float>", True),
]
INSTANCE_COLUMNS = [
    ("instance_id", "string", False),
    ("language", "string", False),
    ("control", "string", False),
    ("gold", "string", False),
    ("baseline_answer", "string", True),
    ("baseline_correct", "bool", False),
    ("n_cells", "int32", False),
    ("n_correct", "int32", False),
    ("n_distinct_answers", "int32", False),
    ("upper_bound_correct", "bool", False),
    ("source_fixed_correct", "list<element: bool>", False),
    ("target_fixed_correct", "list<element: bool>", False),
]
PAIR_COLUMNS = [
    ("language", "string", False),
    ("control", "string", False),
    ("source_layer", "int16", False),
    ("target_layer", "int16", False),
    ("n", "int32", False),
    ("n_correct", "int32", False),
    ("accuracy", "double", False),
    ("baseline_accuracy", "double", False),
    ("n_gained", "int32", False),
    ("n_lost", "int32", False),
]


def instance(number, language="fr"):
    return Instance(
        id=f"xnli-sample-{number:04d}",
        language=language,
        source_language="en",
        target_language=language,
        source="Is it?\n(1) yes",
        target="Est-ce « vrai » ?\u2028(1) 是",
        gold="1",
        options=(Option("(1)", "oui"), Option("(2)")),
    )


def rows_of(number, language="fr", cells=((0, 0), (0, 2), (5, 0), (5, 2))):
    """A baseline, then each cell; the text of the third has no answer and ran out of tokens."""
    subject = instance(number, language)
    rows = [Row(subject, None, Generation((7, 2), "(2)", "eos"), {"paper-2": Score("2", False)})]
    for place, (source, target) in enumerate(cells):
        if place == 2:
            generation, score = Generation((9,) * 20, "…\n\0日", "length"), Score(None, False)
        else:
            generation, score = Generation((8, 2), f"(1) {number}", "eos"), Score("1", True)
        rows.append(Row(subject, Cell(source, target), generation, {"paper-2": score}))
    return rows


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(
        tmp_path / "outputs" / "xnli" / "tiny" / "mlp" / "0123456789ab", "0123456789ab"
    )
    made.open_or_create(CONFIG, N_PARTS)
    return made


def fill(folder):
    folder.write_part("fr", 0, "none", rows_of(1) + rows_of(2))
    folder.write_part("fr", 1, "none", rows_of(3))
    folder.write_part("zh-CN", 0, "none", rows_of(1, "zh-CN"))


def names(folder):
    """The files of a run, but for the locks under which its leases and manifest change."""
    found = sorted(path.relative_to(folder.path) for path in folder.path.rglob("*"))
    return [
        path.name for path in found if (folder.path / path).is_file() and path.parts[0] != ".leases"
    ]


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("schema", "columns"),
    [(GENERATIONS, GENERATION_COLUMNS), (INSTANCES, INSTANCE_COLUMNS), (PAIRS, PAIR_COLUMNS)],
)
def test_columns_are_those_of_the_contract(schema, columns):
    found = [(f.name, str(f.type).replace("item:", "element:"), f.nullable) for f in schema]
    assert found == columns


def test_a_part_on_disk_has_the_contract_columns_zstd_and_dictionaries(folder):
    fill(folder)
    path = folder.path / "generations" / "fr-0000.parquet"
    assert path == folder.part_path("fr", 0)
    schema = pq.read_schema(path)
    found = [(f.name, str(f.type).replace("item:", "element:"), f.nullable) for f in schema]
    assert found == GENERATION_COLUMNS
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    texts = [
        c for c, (_, kind, _) in zip(columns, GENERATION_COLUMNS, strict=True) if kind == "string"
    ]
    assert len(texts) == 8
    assert all(column.has_dictionary_page for column in texts)


def test_rows_come_back_as_they_went(folder):
    fill(folder)
    frame = folder.read_generations(["fr"])
    assert list(frame.columns) == [name for name, _, _ in GENERATION_COLUMNS]
    assert len(frame) == 15
    assert frame["instance_id"].tolist()[::5] == [f"xnli-sample-000{n}" for n in (1, 2, 3)]
    assert frame["source_layer"].dtype == frame["target_layer"].dtype == pd.Int16Dtype()
    first = frame.iloc[:5]
    assert first["source_layer"].isna().tolist() == [True] + [False] * 4
    assert first["source_layer"].tolist()[1:] == [0, 0, 5, 5]
    assert first["target_layer"].tolist()[1:] == [0, 2, 0, 2]
    assert first["text"].tolist() == ["(2)", "(1) 1", "(1) 1", "…\n\0日", "(1) 1"]
    assert first["n_tokens"].tolist() == [2, 2, 2, 20, 2]
    assert first["finish"].tolist() == ["eos", "eos", "eos", "length", "eos"]
    assert first["answer"].isna().tolist() == [False, False, False, True, False]
    assert first["answer"].tolist()[:3] == ["2", "1", "1"]
    assert first["correct"].tolist() == [False, True, True, False, True]
    assert first["option_logprobs"].isna().all()
    assert set(frame["control"]) == {"none"}
    assert set(frame["source_language"]) == {"en"}
    assert set(frame["target_language"]) == {"fr"}


def test_languages_and_columns_are_chosen(folder):
    fill(folder)
    assert set(folder.read_generations(["zh-CN"])["language"]) == {"zh-CN"}
    assert set(folder.read_generations()["language"]) == {"fr", "zh-CN"}
    assert folder.read_generations(["zh"]).empty
    chosen = folder.read_generations(columns=["correct", "language"])
    assert list(chosen.columns) == ["correct", "language"]
    assert len(chosen) == 20


def test_instances_travel_with_their_part(folder):
    fill(folder)
    assert folder.read_instances(["fr"]) == [instance(1), instance(2), instance(3)]
    assert folder.read_instances(["zh-CN"]) == [instance(1, "zh-CN")]


def test_any_reader_takes_a_run_with_one_glob(folder):
    fill(folder)
    pattern = str(folder.path / "generations" / "*.parquet")
    assert ds.dataset(glob(pattern), format="parquet").count_rows() == 20
    frame = pd.read_parquet(folder.path / "generations")
    assert len(frame) == 20
    assert list(frame.columns) == [name for name, _, _ in GENERATION_COLUMNS]


def test_a_part_is_done_once_it_is_written(folder):
    assert not folder.is_done("fr", 0)
    folder.write_part("fr", 0, "none", rows_of(1))
    assert folder.is_done("fr", 0)
    assert not folder.is_done("fr", 1)
    assert not folder.is_done("f", 0)


def test_looking_makes_no_folder(tmp_path):
    folder = RunFolder(tmp_path / "none", "key")
    assert not folder.is_done("fr", 0)
    assert folder.read_generations().empty
    assert folder.read_instances() == []
    assert list(tmp_path.iterdir()) == []


def fail_with(number):
    def fail(*_args):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "start", "end"),
    [
        (errno.ENOSPC, "disk full while writing ", "run again; finished parts are kept"),
        (errno.EDQUOT, "disk full while writing ", "run again; finished parts are kept"),
        (
            errno.EROFS,
            "cannot write ",
            "choose a folder that can be written (output_root, --out), then run again",
        ),
        (
            errno.EACCES,
            "cannot write ",
            "choose a folder that can be written (output_root, --out), then run again",
        ),
    ],
)
def test_a_failed_write_leaves_nothing(folder, monkeypatch, step, number, start, end):
    folder.write_part("fr", 0, "none", rows_of(1))
    before = names(folder)
    monkeypatch.setattr(files.os, step, fail_with(number))
    with pytest.raises(OutputError) as error:
        folder.write_part("fr", 1, "none", rows_of(2))
    message = one_line(error)
    assert message.startswith(start + str(folder.part_path("fr", 1)))
    assert message.endswith(
        end.replace("run again; finished", "run the same command again; finished")
    )
    monkeypatch.undo()
    assert names(folder) == before == ["fr-0000.parquet", "manifest.json"]


def test_a_disk_that_is_really_full_leaves_nothing(folder):
    """A process that may write 4 KiB a file: a write breaks off in the middle."""
    script = """
import resource, signal, sys
from pathlib import Path
from xtransplant.errors import OutputError, Stopped
from xtransplant.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_whole(Path(sys.argv[1]) / "part.parquet", bytes(100_000))
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, folder.path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"cannot write {folder.path / 'part.parquet'}: File too large")
    assert done.stdout.count("\n") == 1
    assert names(folder) == ["manifest.json"]


def test_a_write_that_is_interrupted_leaves_nothing(folder, monkeypatch):
    def interrupt(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        folder.write_part("fr", 0, "none", rows_of(1))
    assert names(folder) == ["manifest.json"]


def test_a_part_is_renamed_only_when_it_is_whole(folder, monkeypatch):
    seen = []
    rename = os.replace

    def look(temporary, path):
        assert temporary.parent == path.parent
        assert not temporary.name.endswith(".parquet")  # no glob takes it for a part
        seen.append(pq.read_table(temporary).num_rows)
        rename(temporary, path)

    monkeypatch.setattr(files.os, "replace", look)
    folder.write_part("fr", 0, "none", rows_of(1))
    assert seen == [5]


def test_a_part_of_another_key(folder):
    RunFolder(folder.path, "ffffffffffff").write_part("fr", 0, "none", rows_of(1))
    assert not folder.is_done("fr", 0)
    fault = "belongs to run key ffffffffffff, this run's is 0123456789ab"
    assert folder.fault("fr", 0) == fault
    for call in (folder.read_generations, folder.read_instances):
        with pytest.raises(OutputError) as error:
            call()
        assert one_line(error) == (
            f"{folder.part_path('fr', 0)} {fault}; run the same command again to set it aside and "
            "compute it anew"
        )


def test_a_part_under_the_name_of_another_language_is_named(folder):
    fill(folder)
    copy = folder.path / "generations" / "sw-0000.parquet"
    copy.write_bytes(folder.part_path("fr", 0).read_bytes())
    for call in (folder.read_generations, folder.read_instances):
        with pytest.raises(OutputError) as error:
            call()
        assert one_line(error) == (
            f"{copy} holds instances of fr, which is not what its name says; move it out of the "
            "folder and run the same command again"
        )
    assert folder.fault("sw", 0) and not folder.fault("fr", 0)


def test_a_part_copied_over_another_is_named_with_what_it_repeats(folder):
    fill(folder)
    first, second = (folder.part_path("fr", block) for block in (0, 1))
    second.write_bytes(first.read_bytes())
    for call in (folder.read_generations, folder.read_instances):
        with pytest.raises(OutputError) as error:
            call()
        assert one_line(error) == (
            f"{first} and {second.name} both hold instance xnli-sample-0001, so one is a copy; run "
            "the same command again, which sets the copy aside and makes what is lacking"
        )
    assert folder.fault("fr", 1, [instance(3)]) == "holds other instances than this run's"


def test_a_part_of_a_finished_run_that_is_gone_is_named_by_who_reads_the_run(folder, tmp_path):
    fill(folder)
    folder.update_manifest(status="done")
    folder.part_path("fr", 1).unlink()
    remedy = "fr-0001 is gone; run the same command again, which makes what is gone anew"
    with pytest.warns(UserWarning, match=f"^{folder.path}: {remedy}$"):
        runs = load_runs(tmp_path)
    (left_out,) = finished(runs.runs)[1]
    assert left_out.reason == remedy


def test_a_parquet_file_from_elsewhere_is_no_part(folder):
    folder.part_path("fr", 0).parent.mkdir()
    pq.write_table(pa.table({"a": [1]}), folder.part_path("fr", 0))
    assert folder.fault("fr", 0) == "belongs to run key none, this run's is 0123456789ab"


def test_a_part_of_other_instances(folder):
    folder.write_part("fr", 0, "none", rows_of(1) + rows_of(2))
    assert folder.is_done("fr", 0, [instance(1), instance(2)])
    for others in (
        [instance(1)],
        [instance(2), instance(1)],
        [instance(1), instance(3)],
        [instance(1), replace(instance(2), target="Est-ce faux ?")],
        [instance(1), replace(instance(2), gold="2")],
    ):
        assert folder.fault("fr", 0, others) == "holds other instances than this run's"
        assert not folder.is_done("fr", 0, others)
    # What no row depends on, as a field that a later version adds, is no reason to do it again.
    assert folder.is_done("fr", 0, [instance(1), replace(instance(2), cluster="passage 3")])


def write_part_of_another_version(folder, **changes):
    """Write part 0 of fr, with fields of its instances replaced, or left out where None."""
    table = part_table(rows_of(1) + rows_of(2), "none", folder.key)
    fields = [
        {name: value for name, value in {**each, **changes}.items() if value is not None}
        for each in json.loads(table.schema.metadata[INSTANCES_OF_PART])
    ]
    metadata = {**table.schema.metadata, INSTANCES_OF_PART: json.dumps(fields)}
    folder.write_table("generations/fr-0000.parquet", table.replace_schema_metadata(metadata))


def test_a_part_of_an_earlier_version_lacks_fields_that_have_a_default(folder):
    write_part_of_another_version(folder, aliases=None, machine_translated=None, source_gold=None)
    assert folder.read_instances() == [instance(1), instance(2)]
    assert folder.is_done("fr", 0, [instance(1), instance(2)])


@pytest.mark.parametrize("changes", [{"gold": None}, {"mood": "calm"}])
def test_a_part_of_a_version_that_is_not_understood(folder, changes):
    write_part_of_another_version(folder, **changes)
    with pytest.raises(OutputError) as error:
        folder.read_instances()
    assert "instances of another version of xtransplant (" in one_line(error)
    assert one_line(error).startswith(f"cannot read {folder.part_path('fr', 0)}: ")
    fault = folder.fault("fr", 0, [instance(1)])
    assert fault is not None and fault.startswith("holds instances of another version of xtrans")


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_part_that_is_cut_off(folder, keep):
    folder.write_part("fr", 0, "none", rows_of(1))
    path = folder.part_path("fr", 0)
    path.write_bytes(path.read_bytes()[:keep])
    assert folder.fault("fr", 0) == "is cut off, or not a parquet file"
    assert not folder.is_done("fr", 0)
    with pytest.raises(OutputError) as error:
        folder.read_generations()
    assert one_line(error).startswith(f"{path} is cut off, or not a parquet file; run the same")


def test_no_byte_of_a_part_changes_unseen(folder):
    folder.write_part("fr", 0, "none", rows_of(1))
    path = folder.part_path("fr", 0)
    whole = path.read_bytes()
    assert pq.read_metadata(path).metadata[b"xtransplant.rows"] == b"5"
    for place in range(0, len(whole), 7):
        altered = bytearray(whole)
        altered[place] ^= 1
        path.write_bytes(altered)
        assert folder.fault("fr", 0) is not None, place
    path.write_bytes(whole)
    assert folder.fault("fr", 0) is None


def test_a_part_without_its_checksum_is_none(folder):
    folder.write_part("fr", 0, "none", rows_of(1))
    path = folder.part_path("fr", 0)
    pq.write_table(pq.read_table(path), path)  # the same rows and key, by somebody else
    assert folder.fault("fr", 0) == "has no checksum"


def test_a_file_set_aside_is_kept_and_never_read(folder):
    folder.write_part("fr", 0, "none", rows_of(1))
    path = folder.part_path("fr", 0)
    path.write_bytes(b"PAR1")
    place = folder.set_aside("fr", 0)
    folder.write_part("fr", 0, "none", rows_of(1))
    assert place.read_bytes() == b"PAR1"
    assert place.parent == folder.path / ".set_aside"
    path.write_bytes(b"PAR1 again")
    assert folder.set_aside("fr", 0) != place and place.read_bytes() == b"PAR1"
    assert folder.set_aside("fr", 0) is None
    assert len(folder.read_generations()) == 0


def test_the_manifest_says_what_ran(folder):
    content = json.loads((folder.path / "manifest.json").read_text())
    assert list(content) == [
        *(
            "key",
            "config",
            "n_parts",
            "columns",
            "primary_family",
            "status",
            "reason",
            "data",
            "device",
            "rows_per_batch",
            "timings",
            "cost",
            "versions",
        ),
        *("git_commit", "created", "updated"),
    ]
    assert content["key"] == "0123456789ab"
    assert content["config"] == CONFIG
    assert (content["status"], content["reason"]) == ("running", None)
    assert content["versions"]["pyarrow"] == pa.__version__
    assert content["versions"]["pandas"] == pd.__version__
    assert set(content["versions"]) >= {
        "xtransplant",
        "torch",
        "transformers",
        "tokenizers",
        "numpy",
    }
    assert datetime.fromisoformat(content["created"]).utcoffset().total_seconds() == 0


def test_the_manifest_is_changed_field_by_field(folder):
    folder.update_manifest(device="cpu", rows_per_batch=256, timings={"load": 1.5})
    manifest = folder.read_manifest()
    assert (manifest.device, manifest.rows_per_batch) == ("cpu", 256)
    assert manifest.timings == {"load": 1.5}
    assert manifest.config == CONFIG
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_run_is_done_when_its_parts_are_there_whoever_ends_last(folder):
    with folder.running():
        folder.write_part("fr", 0, "none", rows_of(1))
        assert folder.read_manifest().status == "running"
    assert folder.read_manifest().status == "missing"
    with folder.leases.take("fr-0001"), folder.running():
        pass
    assert folder.read_manifest().status == "running"  # somebody is at work
    with pytest.raises(Stopped), folder.running():
        folder.leases.take("fr-0001")  # a signal comes before the lease is used
        raise Stopped("SIGTERM", 15)
    assert folder.read_manifest().status == "missing"
    with folder.running():
        fill(folder)
    assert folder.read_manifest().status == "done"
    # One that is stopped after the last part was written has nothing left to do either.
    with pytest.raises(Stopped), folder.running():
        raise Stopped("SIGTERM", 15)
    assert (folder.read_manifest().status, folder.read_manifest().reason) == ("done", None)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("two\n  lines"), "failed", "ValueError: two lines"),
        (KeyboardInterrupt(), "missing", "KeyboardInterrupt"),
        (Stopped("SIGTERM", 15), "missing", "Stopped: SIGTERM"),
    ],
)
def test_a_run_that_ends_early_says_why(folder, error, status, reason):
    with pytest.raises(type(error)), folder.running():
        raise error
    manifest = folder.read_manifest()
    assert (manifest.status, manifest.reason) == (status, reason)


def test_what_failed_in_one_process_is_not_hidden_by_another_that_ends_well(folder):
    with pytest.raises(ValueError, match="NaN"), folder.running():
        raise ValueError("NaN")
    with folder.running():
        folder.write_part("fr", 0, "none", rows_of(1))
    assert folder.read_manifest().status == "failed"
    assert folder.read_manifest().reason == "ValueError: NaN"


def test_timings_are_those_of_all_processes_together(folder):
    folder.add_work({"load": 1.5})
    folder.add_work({"load": 2.0, "transplant": 3.0})
    assert folder.read_manifest().timings == {"load": 3.5, "transplant": 3.0}


def test_a_manifest_of_another_version_is_kept_as_it_is(folder):
    path = folder.path / "manifest.json"
    content = json.loads(path.read_text())
    del content["timings"]
    path.write_text(json.dumps(content | {"data": {"licence": "CC"}}))
    folder.open_or_create(CONFIG, N_PARTS)
    written = json.loads(path.read_text())
    assert written["data"] == {"licence": "CC"} and written["timings"] == {}
    assert "unknown" not in written


def test_a_full_disk_does_not_hide_the_first_error(folder, monkeypatch):
    with pytest.raises(ValueError, match="the first"), folder.running():
        monkeypatch.setattr(files.os, "fsync", fail_with(errno.ENOSPC))
        raise ValueError("the first")


def test_a_disk_without_room_for_the_reserve_leaves_no_run_that_says_it_runs(
    folder, tmp_path, monkeypatch
):
    folder.write_manifest(replace(folder.read_manifest(), status="failed", reason="x"))
    new = RunFolder(tmp_path / "new", folder.key)
    monkeypatch.setattr(store, "keep_reserve", fail_with_full_disk)
    for run in (folder, new):
        with pytest.raises(OutputError, match="disk full"):
            run.open_or_create(CONFIG, N_PARTS)
    assert folder.read_manifest().status == "failed"
    assert not (new.path / "manifest.json").exists()


def test_a_disk_without_room_for_the_manifest_keeps_no_reserve(tmp_path, monkeypatch):
    new = RunFolder(tmp_path / "new", "0" * 12)
    monkeypatch.setattr(RunFolder, "write_manifest", fail_with_full_disk)
    with pytest.raises(OutputError, match="disk full"):
        new.open_or_create(CONFIG, N_PARTS)
    assert not (new.path / ".leases" / ".reserve").exists()


def fail_with_full_disk(*_given):
    raise OutputError("disk full")


def test_a_run_that_starts_again_keeps_its_parts_and_what_is_known_of_them(folder):
    fill(folder)
    earlier = Manifest(
        key=folder.key,
        config=CONFIG,
        n_parts={"de": 3},
        status="failed",
        reason="x",
        device="an older GPU",
        rows_per_batch=7,
        timings={"transplant": 3.5},
        versions={"torch": "1.0"},
        git_commit="abc",
        created="2020-01-01",
        updated="2020-01-01",
    )
    folder.write_manifest(earlier)
    again = RunFolder(folder.path, folder.key)
    again.open_or_create(CONFIG | {"limit": 2}, N_PARTS)
    manifest = again.read_manifest()
    assert manifest.updated > "2020-01-01"
    assert manifest == replace(
        earlier,
        n_parts={"de": 3, "fr": 2, "zh-CN": 1},
        columns=[name for name, _, _ in GENERATION_COLUMNS],
        config=CONFIG | {"limit": 2},
        status="running",
        reason=None,
        updated=manifest.updated,
    )
    assert again.is_done("fr", 0) and again.is_done("zh-CN", 0)


def test_what_computes_is_noted_with_its_versions(folder):
    folder.update_manifest(versions={"torch": "1.0"}, git_commit="abc", device="an older GPU")
    folder.note_environment("cpu")
    manifest = folder.read_manifest()
    assert manifest.device == "cpu"
    assert manifest.versions["pyarrow"] == pa.__version__
    assert manifest.git_commit != "abc"


def test_a_folder_of_another_key(folder):
    before = (folder.path / "manifest.json").read_bytes()
    with pytest.raises(OutputError) as error:
        RunFolder(folder.path, "ffffffffffff").open_or_create(CONFIG, N_PARTS)
    assert one_line(error) == (
        f"{folder.path} belongs to run key 0123456789ab, this run's is ffffffffffff; "
        "move it away or choose another output_root"
    )
    assert (folder.path / "manifest.json").read_bytes() == before


def test_a_run_outlives_its_manifest(folder):
    """What the message on a damaged manifest says to do must work."""
    folder.write_part("fr", 0, "none", rows_of(1))
    manifest = folder.path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:40])
    with pytest.raises(OutputError, match="remove it and run the same command again"):
        folder.open_or_create(CONFIG, N_PARTS)
    manifest.unlink()
    with pytest.raises(OutputError, match="so it is not a run"):
        RunFolder(folder.path, "ffffffffffff").open_or_create(CONFIG, N_PARTS)
    folder.open_or_create(CONFIG, N_PARTS)
    assert folder.is_done("fr", 0) and folder.read_manifest().n_parts == N_PARTS


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(OutputError) as error:
        RunFolder(tmp_path, "k").open_or_create(CONFIG, N_PARTS)
    assert one_line(error) == (
        f"{tmp_path} holds thesis.tex but no manifest.json, so it is not a run; "
        "move it away or choose another output_root"
    )


def test_a_file_left_behind_by_a_killed_run_is_no_hindrance(tmp_path):
    (tmp_path / ".manifest.json.1234.tmp").write_text("{")
    folder = RunFolder(tmp_path, "k")
    folder.open_or_create(CONFIG, N_PARTS)
    assert folder.read_manifest().key == "k"


def test_an_output_root_that_is_a_file(tmp_path):
    (tmp_path / "outputs").write_text("")
    with pytest.raises(OutputError) as error:
        RunFolder(tmp_path / "outputs" / "run", "k").open_or_create(CONFIG, N_PARTS)
    assert one_line(error).startswith(
        f"cannot write {tmp_path / 'outputs' / 'run'}: Not a directory"
    )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "k"}'])
def test_a_damaged_manifest(folder, content):
    path = folder.path / "manifest.json"
    path.write_text(content)
    with pytest.raises(OutputError) as error:
        folder.open_or_create(CONFIG, N_PARTS)
    assert one_line(error).startswith(f"cannot read {path}: ")


def frames():
    instances = pd.DataFrame(
        {
            "instance_id": ["a"],
            "language": ["fr"],
            "control": ["none"],
            "gold": ["1"],
            "baseline_answer": [None],
            "baseline_correct": [False],
            "n_cells": [4],
            "n_correct": [1],
            "n_distinct_answers": [2],
            "upper_bound_correct": [True],
            "source_fixed_correct": [[True, False]],
            "target_fixed_correct": [[False, True]],
        }
    )
    pairs = pd.DataFrame(
        {
            "language": ["fr"],
            "control": ["none"],
            "source_layer": pd.array([0], dtype="Int16"),
            "target_layer": pd.array([2], dtype="Int16"),
            "n": [1],
            "n_correct": [1],
            "accuracy": [1.0],
            "baseline_accuracy": [0.0],
            "n_gained": [1],
            "n_lost": [0],
        }
    )
    return instances, pairs


@pytest.mark.parametrize(
    ("name", "columns"), [("instances", INSTANCE_COLUMNS), ("pairs", PAIR_COLUMNS)]
)
def test_the_views_on_disk_have_the_contract_columns(folder, name, columns):
    write_views(folder, *frames())
    schema = pq.read_schema(folder.path / f"{name}.parquet")
    found = [(f.name, str(f.type).replace("item:", "element:"), f.nullable) for f in schema]
    assert found == columns
    assert schema.metadata is None


def test_load_runs_gives_every_run_below_a_folder(folder, tmp_path):
    fill(folder)
    write_views(folder, *frames())
    other = RunFolder(tmp_path / "outputs" / "pocket" / "pocket" / "attn" / "bb", "bb")
    other.open_or_create(
        {"task": {"name": "pocket"}, "model": {"name": "pocket"}, "module": "attn"}, N_PARTS
    )
    other.write_part("sw", 0, "none", rows_of(1, "sw", cells=((1, 1),)))
    write_views(other, *frames())

    runs = load_runs(tmp_path / "outputs")
    labels = ["task", "model", "module", "key"]
    for frame, columns, lengths in (
        (runs.generations, GENERATION_COLUMNS, [2, 20]),
        (runs.instances, INSTANCE_COLUMNS, [1, 1]),
        (runs.pairs, PAIR_COLUMNS, [1, 1]),
    ):
        assert list(frame.columns) == [*labels, *(name for name, _, _ in columns)]
        counts = frame.groupby(labels).size()
        assert counts.index.tolist() == [
            ("pocket", "pocket", "attn", "bb"),
            ("xnli", "tiny", "mlp", "0123456789ab"),
        ]
        assert counts.tolist() == lengths
    assert runs.generations["source_layer"].dtype == pd.Int16Dtype()
    assert runs.generations is runs.generations  # read once
    assert load_runs(str(other.path)).generations["source_layer"].tolist() == [pd.NA, 1]


def test_load_runs_orders_runs_by_path(tmp_path):
    for name in ("c", "a", "e", "b", "d"):
        run = RunFolder(tmp_path / name, name)
        run.open_or_create(CONFIG, N_PARTS)
        run.write_part("fr", 0, "none", rows_of(1))
    assert load_runs(tmp_path).generations["key"].unique().tolist() == ["a", "b", "c", "d", "e"]


def test_load_runs_says_what_it_leaves_out(folder, tmp_path):
    fill(folder)
    with (
        pytest.warns(UserWarning, match="left out .*: no pairs.parquet, status running") as warned,
        pytest.raises(OutputError) as error,
    ):
        _ = load_runs(tmp_path).pairs
    assert "no pairs.parquet in" in one_line(error)
    assert [warning.filename for warning in warned] == [__file__]
    assert len(load_runs(tmp_path).generations) == 20


def test_load_runs_from_a_wrong_path(tmp_path):
    with pytest.raises(OutputError) as error:
        load_runs(tmp_path / "outptus")
    assert one_line(error).startswith(f"no folder '{tmp_path / 'outptus'}'")
    with pytest.raises(OutputError) as error:
        load_runs(tmp_path)
    assert one_line(error).startswith(f"no run below '{tmp_path}': no manifest.json")


def test_load_runs_meets_a_manifest_of_something_else(folder, tmp_path):
    folder.write_manifest(Manifest(key="k", config={"task": "xnli"}))
    with pytest.raises(OutputError, match="does not say which task, model and module ran"):
        load_runs(tmp_path)


def test_the_family_that_was_declared_stays_with_the_folder(folder, monkeypatch):
    assert folder.read_manifest().primary_family == primary_family.VERSION
    monkeypatch.setattr(primary_family, "VERSION", primary_family.VERSION + 1)
    before = folder.read_manifest()
    folder.open_or_create(before.config, before.n_parts)
    assert folder.read_manifest().primary_family == before.primary_family
