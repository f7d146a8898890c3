"""Readers of JSONL and YAML: any file is read for what it says, or refused in one line."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from damage import VALUES, damaged, json_bytes, swapped
from hypothesis import given, settings
from hypothesis import strategies as st

from xtransplant.config.grid_file import read_pairs, selected_pairs_yaml
from xtransplant.config.prompts_file import languages_in
from xtransplant.errors import ConfigError, DataError, XtransplantError
from xtransplant.jsonl import read_json_lines, read_strings
from xtransplant.tasks.own import OwnPrompts
from xtransplant.tasks.translations import Translations
from xtransplant.types import Cell, Direction
from xtransplant.yaml_file import read_yaml, require_tame, to_yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
ROW = {
    **{"id": "q1", "language": "sw", "source": "Is it (A) or (B)?", "target": "Ni (A) au (B)?"},
    **{"gold": "A", "options": ["(A)", "(B)"], "aliases": ["a"], "cluster": "c", "category": "x"},
}
PAIRS = selected_pairs_yaml(
    {"task": "t", "split": "dev"}, {"sw": Cell(1, 2), "all": Cell(0, 0)}, ""
)


def one_line(error: XtransplantError) -> None:
    assert "\n" not in str(error) and str(error)


@given(values=st.lists(JSON, min_size=1, max_size=4), ascii=st.booleans())
def test_what_is_written_as_json_lines_is_read_again(
    place: Path, values: list[Any], ascii: bool
) -> None:
    path = place / "a.jsonl"
    lines = [json.dumps(value, ensure_ascii=ascii) for value in values]
    path.write_bytes("\n".join(lines).encode())
    assert read_json_lines(path) == values


@settings(max_examples=5 * settings.default.max_examples)
@given(st.data())
def test_damaged_lines_are_read_or_named(place: Path, data: st.DataObject) -> None:
    path = place / "a.jsonl"
    path.write_bytes(data.draw(damaged(b'"a"\n{"b": [1, 2.5, null]}\n')))
    for read in (read_json_lines, read_strings, languages_in):
        try:
            assert isinstance(read(path), list)
        except DataError as error:
            one_line(error)
            assert str(path) in str(error)


@given(st.data())
def test_a_row_of_prompts_with_another_type_is_taken_whole_or_named(
    place: Path, data: st.DataObject
) -> None:
    path = place / "own.jsonl"
    row = data.draw(swapped(ROW))
    path.write_bytes(json_bytes(ROW | {"id": "q0"}) + b"\n" + json_bytes(row))
    own = OwnPrompts(path, "en", lambda text, _language: f"<{text}>")
    try:
        found = [each.build() for each in own.lazy_instances("", "sw", Direction.EN_TO_X)]
    except DataError as error:
        one_line(error)
        assert str(error).startswith(f"{path}:2")
        return
    assert found[0].id == "q0"
    for instance in found[1:]:
        wanted = [row["id"], row["language"], row["gold"], row["source"]]
        assert [instance.id, instance.language, instance.gold, instance.source] == wanted
        assert [option.marker for option in instance.options] == (row.get("options") or [])


@given(st.data())
def test_damaged_translations_are_read_or_named(place: Path, data: st.DataObject) -> None:
    kept = Translations(place, "org/model", None, "command")
    path = kept.path("sw")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b'{"text": "a", "translation": "b"}\n{"text": "c", "translation": "d"}\n'
    path.write_bytes(data.draw(damaged(lines)))
    try:
        assert all(isinstance(text, str) for text in kept.of_language("sw").values())
    except DataError as error:
        one_line(error)


@given(st.dictionaries(TEXTS, JSON, min_size=1, max_size=4))
def test_what_is_written_as_yaml_is_read_again(place: Path, content: dict[str, Any]) -> None:
    path = place / "a.yaml"
    path.write_bytes(to_yaml(content).encode())
    assert read_yaml(path) == content


YAML_PIECES = [
    *(
        "a: 1\n",
        "&a ",
        "*a",
        "- ",
        "[",
        "{",
        "]",
        "}",
        ": ",
        "? ",
        "!!int ",
        "!!python/name:os ",
        "'",
    ),
    *('"', "|\n", ">\n", "---\n", "...\n", "%YAML 1.2\n", "<<: ", "2024-13-45", "0o9", "  ", "\t"),
    *("\ufeff", "é", "1_000", ".inf", "~", "# ", "\\", "\n", "b: &b [*a,*a]\n", "!!timestamp "),
    *("!!binary ", "!!set ", "!!omap ", "1:99", "[" * 60, "- " * 200, "  - " * 9),
]


@given(st.lists(st.sampled_from(YAML_PIECES), max_size=12).map("".join))
def test_any_yaml_is_read_or_refused_at_once(place: Path, text: str) -> None:
    path = place / "a.yaml"
    path.write_bytes(text.encode())
    start = time.monotonic()
    for as_written in (True, False):
        try:
            assert isinstance(read_yaml(path, as_written=as_written), dict)
        except ConfigError as error:
            one_line(error)
    try:
        require_tame(path)
    except ConfigError as error:
        one_line(error)
    assert time.monotonic() - start < 5


@given(st.data())
def test_damaged_files_of_pairs_are_read_or_refused(place: Path, data: st.DataObject) -> None:
    path = place / "pairs.yaml"
    path.write_bytes(data.draw(damaged(PAIRS.encode())))
    try:
        assert all(type(layer) is int for pair in read_pairs(path) for layer in pair)
    except ConfigError as error:
        one_line(error)


@given(VALUES)
def test_pairs_of_another_type_are_refused(place: Path, value: Any) -> None:
    path = place / "pairs.yaml"
    path.write_bytes(json_bytes({"pairs": {"sw": value}}))  # JSON is YAML
    if isinstance(value, list) and [type(layer) for layer in value] == [int, int]:
        assert read_pairs(path) == [value]
    else:
        with pytest.raises(ConfigError) as error:
            read_pairs(path)
        one_line(error.value)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b'"a"\n' + b"[" * 5000])
def test_lines_that_are_nested_too_deeply_are_named(place: Path, content: bytes) -> None:
    path = place / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_json_lines(path)
    one_line(error.value)
