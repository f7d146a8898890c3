"""A finished run is known by its receipt, and only while nothing it depends on has changed."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xtransplant.cli import app as cli
from xtransplant.config.compose import compose
from xtransplant.config.schema import RunConfig
from xtransplant.runner import inputs
from xtransplant.runner import run as runner
from xtransplant.store.receipts import Receipt, find_receipt, states, write_receipt
from xtransplant.types import Cell, LanguageSummary

SUMMARY = LanguageSummary("fr", 5, 0.2, Cell(1, 2), 0.4, 0.6)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunConfig:
    """A run that reads a local checkpoint, adapter, prompts, template and translations."""
    monkeypatch.chdir(tmp_path)
    for name in (
        *("model/config.json", "model/model.safetensors", "adapter/adapter_config.json"),
        *("prompts.jsonl", "template.toml", "translated/mt/fr.jsonl", "data/dev/fr.jsonl"),
        "selected.yaml",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text('{"id": "1", "language": "fr"}\n')
    config = compose(
        ["model=hf", f"model.id={tmp_path}/model", "task=prompts", "task.file=prompts.jsonl"]
    )
    config.model.adapter = "adapter"
    config.task.template = "template.toml"
    config.task.data_dir = "data"
    config.grid.file = "selected.yaml"
    config.translation.model, config.translation.revision = "org/mt", None
    config.translation.folder = "translated"
    return config


def finish(config: RunConfig) -> Receipt:
    run = Path(config.output_root) / config.task.name / config.model.name / config.module / "k"
    part = run / "generations" / "fr-0000.parquet"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"rows")
    receipt = Receipt(run, 3, 64, ["data: free"], [SUMMARY])
    read = inputs.inputs_of(config)
    assert read is not None
    write_receipt(config, receipt, states(read), [part])
    return receipt


def test_a_finished_run_is_found_by_any_shard_on_any_device(config: RunConfig) -> None:
    assert find_receipt(config) is None
    receipt = finish(config)
    config.shard.index, config.shard.count = 1, 4
    config.device, config.rows_per_batch = "cuda:1", 7
    assert find_receipt(config) == receipt


@pytest.mark.parametrize(
    "change",
    [
        lambda config: setattr(config, "languages", ["fr", "sw"]),
        lambda config: setattr(config, "limit", 3),
        lambda config: setattr(config.decode, "max_new_tokens", 3),
        lambda config: setattr(config.model, "dtype", "bfloat16"),
        lambda config: setattr(config, "control", "other"),
    ],
)
def test_other_settings_have_no_receipt(
    config: RunConfig, change: Callable[[RunConfig], None]
) -> None:
    finish(config)
    change(config)
    assert find_receipt(config) is None


def rewrite(path: Path) -> None:
    """Other content of the same size and the same time of change, as `cp -p` could leave it."""
    before = path.stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        *(
            lambda name=name: rewrite(Path(name))
            for name in (
                *("model/config.json", "model/model.safetensors", "adapter/adapter_config.json"),
                *("prompts.jsonl", "template.toml", "translated/mt/fr.jsonl", "data/dev/fr.jsonl"),
                "selected.yaml",
                "outputs/prompts/model/mlp/k/generations/fr-0000.parquet",
            )
        ),
        lambda: Path("model/model.safetensors").unlink(),
        lambda: Path("model/generation_config.json").write_text("{}"),
        lambda: Path("data/dev/de.jsonl").write_text("{}"),
        lambda: Path("outputs/prompts/model/mlp/k/generations/fr-0000.parquet").unlink(),
    ],
)
def test_a_receipt_does_not_outlive_a_change(
    config: RunConfig, change: Callable[[], object]
) -> None:
    receipt = finish(config)
    assert find_receipt(config) == receipt
    change()
    assert find_receipt(config) is None


def test_nor_another_place_to_read_from(config: RunConfig, monkeypatch, tmp_path: Path) -> None:
    config.output_root = str(tmp_path / "outputs")
    receipt = finish(config)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert find_receipt(config) is None
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert find_receipt(config) == receipt
    monkeypatch.chdir(tmp_path / "model")  # task.file and others are relative
    assert find_receipt(config) is None


def test_a_damaged_receipt_is_as_good_as_none(config: RunConfig) -> None:
    receipt = finish(config)
    (path,) = (receipt.folder / ".receipts").iterdir()
    for content in ("{", "[]", '{"read": [1]}', json.dumps({"read": {}, "written": {}})):
        path.write_text(content)
        assert find_receipt(config) is None


PINNED = "0123456789abcdef0123456789abcdef01234567"


def test_what_only_the_hub_knows_gives_no_receipt(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs.constants, "HF_HUB_CACHE", str(tmp_path))
    config.model.id, config.model.revision, config.model.adapter = "org/name", "main", None
    assert inputs.inputs_of(config) is None
    monkeypatch.setattr(inputs.constants, "HF_HUB_OFFLINE", True)
    assert tmp_path / "models--org--name/refs/main" in (inputs.inputs_of(config) or [])
    monkeypatch.setattr(inputs.constants, "HF_HUB_OFFLINE", False)
    config.model.revision = PINNED
    assert inputs.inputs_of(config) is not None
    config.task.data_dir, config.task.id, config.task.revision = None, "org/data", "main"
    assert inputs.inputs_of(config) is None
    config.task.revision = PINNED
    assert inputs.inputs_of(config) is not None


ARGUMENTS = ["run", "languages=[sw]", "grid.stride=4", "limit=2"]


def test_a_run_that_is_given_again_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(ARGUMENTS) == 0
    first = capsys.readouterr()
    started = []
    full = runner.run
    monkeypatch.setattr(runner, "run", lambda *given: (started.append(given), full(*given)))
    assert cli.main(ARGUMENTS) == 0
    again = capsys.readouterr()
    assert (again.out, started) == (first.out, [])
    assert again.err.splitlines() == ["data: pocket world, MIT", "1 of 1 parts are done already"]
    (part,) = Path("outputs").rglob("generations/*.parquet")
    part.unlink()
    assert cli.main(ARGUMENTS) == 0
    assert len(started) == 1 and part.exists()
    assert capsys.readouterr().out == first.out
    assert cli.main(ARGUMENTS) == 0
    assert len(started) == 1


def test_launchers_with_and_without_the_hub_keep_each_others_receipts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = []
    full = runner.run
    monkeypatch.setattr(runner, "run", lambda *given: (started.append(given), full(*given)))
    for offline, n_started in ((None, 1), ("1", 2), (None, 2), ("1", 2)):
        if offline is None:
            monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        else:
            monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        assert cli.main(ARGUMENTS) == 0
        assert len(started) == n_started
