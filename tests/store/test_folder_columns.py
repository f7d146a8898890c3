"""A folder has one schema: its first part decides which columns the later ones have."""

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xtransplant import load_runs
from xtransplant.errors import OutputError
from xtransplant.store import columns, run_folder
from xtransplant.store.columns import GENERATIONS, Row, part_table
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Cell, Generation, Instance, Score

CONFIG = {"task": {"name": "xnli"}, "model": {"name": "tiny"}, "module": "mlp"}
N_PARTS = {"fr": 2}
EXTRA = pa.field("first_logprob", pa.float32())
LATER = pa.schema([*GENERATIONS, EXTRA])


def open_folder(root: Path, key: str = "k") -> RunFolder:
    folder = RunFolder(root / key, key)
    folder.open_or_create(CONFIG, N_PARTS)
    return folder


def rows(id: str = "q") -> list[Row]:
    instance = Instance(id, "fr", "en", "fr", "Is it?", "Est-ce ?", "1")
    return [
        Row(instance, cell, Generation((7, 2), "1", "eos"), {"paper-2": Score("1", True)})
        for cell in (None, Cell(0, 1))
    ]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A later version of the package, whose parts have one more column."""

    def later_table(rows: list[Row], control: str, key: str) -> pa.Table:
        with pytest.MonkeyPatch.context() as now:
            now.setattr(columns, "GENERATIONS", GENERATIONS)
            table = part_table(rows, control, key)
        return table.append_column(EXTRA, pa.array([-0.5] * len(table), EXTRA.type))

    with monkeypatch.context() as patched:
        for module in (columns, run_folder):
            patched.setattr(module, "GENERATIONS", LATER)
        patched.setattr(run_folder, "part_table", later_table)
        yield patched


def columns_of_parts(folder: RunFolder) -> list[list[str]]:
    return [pq.read_schema(path).names for path in folder.parts()]


def forget_columns(folder: RunFolder) -> None:
    """Make the manifest one of version 0.1.0, which recorded no columns."""
    path = folder.path / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    del content["columns"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("recorded", [True, False])
def test_a_folder_that_an_earlier_version_began_keeps_its_columns(
    tmp_path: Path, request: pytest.FixtureRequest, recorded: bool
) -> None:
    folder = open_folder(tmp_path)
    folder.write_part("fr", 0, "none", rows())
    if not recorded:
        forget_columns(folder)
    request.getfixturevalue("later")

    folder = open_folder(tmp_path)
    folder.write_part("fr", 1, "none", rows("q1"))
    assert columns_of_parts(folder) == [GENERATIONS.names] * 2
    assert len(pd.read_parquet(folder.path / "generations")) == 4

    frame = folder.read_generations()
    assert list(frame.columns) == LATER.names
    assert frame["first_logprob"].isna().all()


def test_a_manifest_that_was_lost_does_not_mix_columns_either(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = open_folder(tmp_path)
    folder.write_part("fr", 0, "none", rows())
    folder.write_part("fr", 1, "none", rows("q1"))
    folder.part_path("fr", 0).write_bytes(b"PAR1")  # damaged: the next one decides
    (folder.path / "manifest.json").unlink()
    request.getfixturevalue("later")
    assert open_folder(tmp_path).read_manifest().columns == GENERATIONS.names


def test_a_new_folder_has_all_columns(tmp_path: Path, later: pytest.MonkeyPatch) -> None:
    folder = open_folder(tmp_path)
    for block in (0, 1):
        folder.write_part("fr", block, "none", rows(f"q{block}"))
    assert columns_of_parts(folder) == [LATER.names] * 2
    assert folder.read_generations()["first_logprob"].tolist() == [-0.5] * 4
    chosen = folder.read_generations(columns=["first_logprob", "text"])
    assert list(chosen.columns) == ["first_logprob", "text"]


def test_runs_of_both_versions_are_read_together(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    open_folder(tmp_path, "a").write_part("fr", 0, "none", rows())
    request.getfixturevalue("later")
    open_folder(tmp_path, "b").write_part("fr", 0, "none", rows())
    found = load_runs(tmp_path).generations
    assert found.groupby("key")["first_logprob"].count().to_dict() == {"a": 0, "b": 2}
    assert found["text"].tolist() == ["1"] * 4


def test_a_folder_of_a_later_version_is_read_but_not_continued(
    tmp_path: Path, later: pytest.MonkeyPatch
) -> None:
    folder = open_folder(tmp_path)
    folder.write_part("fr", 0, "none", rows())
    later.undo()
    assert list(folder.read_generations().columns) == GENERATIONS.names
    before = (folder.path / "manifest.json").read_bytes()
    with pytest.raises(OutputError) as error:
        open_folder(tmp_path)
    assert str(error.value) == (
        f"{folder.path} has the column first_logprob of a later version of xtransplant, so this "
        "one cannot continue it; install that version or choose another output_root"
    )
    assert (folder.path / "manifest.json").read_bytes() == before


def test_a_part_without_a_required_column_is_an_error(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write_table(
        "generations/fr-0000.parquet", part_table(rows(), "none", "k").drop_columns("text")
    )
    with pytest.raises(OutputError, match=r"^cannot read .*0\.parquet: it has no column text;"):
        folder.read_generations()


def test_columns_that_came_later_may_be_null() -> None:
    """Those of version 0.1.0, in the order of its files; whatever follows must be nullable."""
    first = (
        *("instance_id", "language", "source_language", "target_language", "control"),
        *("source_layer", "target_layer", "text", "n_tokens", "finish", "answer", "correct"),
        "option_logprobs",
    )
    assert GENERATIONS.names[: len(first)] == list(first)
    assert all(field.nullable for field in list(GENERATIONS)[len(first) :])


def test_a_damaged_list_of_columns_does_not_cut_the_next_part(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.write_part("fr", 0, "none", rows())
    path = folder.path / "manifest.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**content, "columns": content["columns"][:4]}), "utf-8")
    again = open_folder(tmp_path)
    again.write_part("fr", 1, "none", rows("q1"))
    assert columns_of_parts(again) == [GENERATIONS.names] * 2
