"""Names become part of paths, tables and pages, so they have an alphabet."""

import time

import pytest

from xtransplant.config.compose import compose
from xtransplant.config.names import require_name
from xtransplant.errors import ConfigError

ODD = ["", ".", "..", ".hidden", "a/b", "a\\b", "a\nb", "=1+2", "-x", "@x", "+x", "<b>", " a", "a "]


@pytest.mark.parametrize("name", [*ODD, "a\u202eb", "a\x1b[31m", "a" * 101, "a|b", "a&b", "$x"])
def test_an_odd_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"for model\.name; allowed: at most 100 letters"):
        require_name("model.name", name)


@pytest.mark.parametrize(
    "name", ["pocket", "Llama-3.1-8B", "qwen2.5_7b", "модель", "模型", "a@b", "_x", "here (1)", "a"]
)
def test_a_plain_name_is_taken(name):
    require_name("model.name", name)


@pytest.mark.parametrize("key", ["model.name", "task.name", "grid.name"])
def test_a_secret_of_the_environment_gets_into_no_name(key, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(ConfigError) as error:
        compose([f"{key}=${{oc.env:HF_TOKEN}}"])
    assert "hf_secret" not in str(error.value) and "interpolation" in str(error.value)


LEAKS = {
    "task": {
        "splits": "task: {splits: ['${oc.env:HF_TOKEN}']}",
        "languages": "task: {languages: [en, 'a${oc.env:HF_TOKEN}']}",
        "pivot": "task: {pivot: '${oc.decode:${oc.env:HF_TOKEN}}'}",
        "name": "task: {name: '${oc.select:nowhere,${oc.env:HF_TOKEN}}'}",
    },
    "model": {
        "name": "model: {name: '${model.id}', id: '${oc.env:HF_TOKEN}'}",
        "id": "model: {name: hf, id: './${oc.env:HF_TOKEN}'}",
    },
    "grid": {"name": "grid: {name: 'x-${oc.env:NOT_SET}'}"},
    "": {"split": "split: ${oc.env:HF_TOKEN}", "languages": "languages: ['${oc.env:HF_TOKEN}']"},
}


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (f"{group}.{name}".strip("."), content)
        for group, entries in LEAKS.items()
        for name, content in entries.items()
    ],
)
def test_a_file_of_the_config_folder_brings_no_secret_into_a_name(
    tmp_path, monkeypatch, key, content
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "leak.yaml").write_text(f"# @package _global_\n{content}\n")
    with pytest.raises(ConfigError) as error:
        compose(["experiment=leak"], tmp_path)
    assert str(error.value).startswith(
        f"{key} contains an interpolation (${{…}}); allowed: a plain"
    )
    assert "hf_secret" not in str(error.value)


def test_paths_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch")
    config = compose(
        ["model=hf", "model.id=${oc.env:SCRATCH}/tiny", "output_root=${oc.env:SCRATCH}"]
    )
    assert (config.model.name, config.output_root) == ("tiny", "/scratch")


def test_a_task_without_splits_is_refused():
    with pytest.raises(ConfigError, match=r"task\.splits is empty"):
        compose(["task.splits=[]"])


def test_brackets_without_end_are_refused_at_once():
    start = time.monotonic()
    with pytest.raises(ConfigError, match="nested more than 20 deep"):
        compose(["grid.pairs=" + "[" * 200])
    assert time.monotonic() - start < 2


def test_a_config_folder_with_a_bomb_is_refused_at_once(tmp_path):
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / "odd.yaml").write_text("pairs: " + "[" * 5000)
    start = time.monotonic()
    with pytest.raises(ConfigError, match=r"odd\.yaml: brackets are nested more than 50 deep"):
        compose(["grid=odd"], tmp_path)
    assert time.monotonic() - start < 5
