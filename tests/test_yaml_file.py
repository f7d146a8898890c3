"""Every YAML file is read by one function, which words each mistake as one line."""

from pathlib import Path

import pytest

from xtransplant.errors import ConfigError
from xtransplant.yaml_file import read_yaml, to_yaml


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
