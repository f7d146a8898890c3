"""Every YAML file is read by one function, which words each mistake as one line."""

import time
from pathlib import Path

import pytest

from xtransplant.errors import ConfigError
from xtransplant.yaml_file import read_yaml, require_tame, to_yaml


def test_keys_and_values_come_back_in_their_order(tmp_path: Path) -> None:
    content = {"task": "xnli", "pairs": {"zh-CN": [16, 4], "no": [0, 1]}, "name": "日本"}
    path = tmp_path / "a.yaml"
    path.write_text(to_yaml(content), "utf-8")
    assert list(read_yaml(path).items()) == list(content.items())
    assert path.read_text("utf-8") == (
        "task: xnli\npairs:\n  zh-CN: [16, 4]\n  'no': [0, 1]\nname: 日本\n"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [", "grid.file {} is not YAML: while parsing"),
        (b"a: 1\na: \xff", "grid.file {} is not YAML: 'utf-8' codec can't decode"),
        (b"a: 2024-13-45", "grid.file {} is not YAML: month must be in 1..12"),
        (b"[" * 5000, "grid.file {} is not YAML: "),
        (b"a: !!timestamp x", "grid.file {} is not YAML: a value does not fit its tag"),
        (b"a: !!bool x", "grid.file {} is not YAML: a value does not fit its tag"),
        (b"a: !!int", "grid.file {} is not YAML: "),
        (b"? [a]\n: 1", "grid.file {} is not YAML: while constructing a mapping"),
        (b"!!python/object:os.system {}", "grid.file {} is not YAML: could not determine"),
        (b"", "grid.file {} holds no KEY: VALUE lines"),
        (b"- a\n- b", "grid.file {} holds no KEY: VALUE lines"),
        (None, "cannot read grid.file {}: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_yaml(path, setting="grid.file", allowed="pairs")
    assert str(error.value).startswith(message.format(path))
    assert str(error.value).endswith("; allowed: pairs") and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"a: !!timestamp x", b"a: !!bool x"])
def test_a_value_that_does_not_fit_its_tag_is_refused_before_hydra_reads_it(tmp_path, content):
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"odd\.yaml: a value does not fit its tag"):
        require_tame(path)


@pytest.mark.parametrize("text", ["\x85", "a\u2028b", "\u2029", "日本\x85"])
def test_what_yaml_takes_for_the_end_of_a_line_comes_back(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(to_yaml({text: [text]}), "utf-8")
    assert read_yaml(path) == {text: [text]}


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB, "more than 1,000,000 values"),
        ("a: " + "[" * 5000, "nested more than 50 deep"),
        ("a: " + "{" * 5000, "nested more than 50 deep"),
        ("a: &a [*a]", "inside its own value"),
    ],
    ids=["aliases", "brackets", "braces", "itself"],
)
def test_a_file_that_would_take_minutes_is_refused_at_once(tmp_path, content, reason):
    path = tmp_path / "odd.yaml"
    path.write_text(content)
    start = time.monotonic()
    with pytest.raises(ConfigError, match=reason):
        read_yaml(path)
    with pytest.raises(ConfigError, match=reason):
        require_tame(path)
    assert time.monotonic() - start < 5


def test_an_alias_that_repeats_little_is_read(tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text("a: &a [1, 2]\nb: *a\n")
    assert read_yaml(path) == {"a": [1, 2], "b": [1, 2]}
