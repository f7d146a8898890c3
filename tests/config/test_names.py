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
