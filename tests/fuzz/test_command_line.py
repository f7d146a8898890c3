"""Values of the command line: any text is taken for what it says, or refused in one line."""

import unicodedata
from keyword import iskeyword
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xtransplant.calls import parse, spell, split
from xtransplant.cli import app as cli
from xtransplant.config.compose import compose
from xtransplant.config.grid import parse_cell
from xtransplant.config.names import require_name
from xtransplant.config.schema_keys import schema_keys
from xtransplant.config.validate import check_overrides
from xtransplant.errors import ConfigError, XtransplantError
from xtransplant.scoring.registry import find_scorers
from xtransplant.terminal import visible

ODD = [
    *(
        "",
        "null",
        "[",
        "]" * 30,
        "[" * 30,
        "{",
        "'",
        '"',
        "${oc.env:HOME}",
        "${",
        "1e999",
        "-1",
        "0",
    ),
    *(
        "a,b",
        "range(1,3)",
        "choice(",
        "[1,[2]]",
        "\x1b[31m",
        "\u202e",
        "\udcff",
        "é",
        "日本",
        "~/x",
    ),
    *(
        "=",
        "a=b",
        "{a:1}",
        "nan",
        "true",
        "\\",
        "a b",
        " ",
        "\n",
        "0x10",
        "1_000",
        "glob(*)",
        "???",
    ),
    *("regex(pattern='(')", "f1(a=1)", "**", "@x", "(", ")", "10" * 20, "'a", "int(3)", "[],[]"),
]
VALUES = st.sampled_from(ODD) | st.text(max_size=12)
GROUPS = ("model", "task", "grid", "decode", "experiment")
KEYS = st.sampled_from([*schema_keys(), *GROUPS, "nothing", "~module", "+a", "++b", ""])
OPTIONS = {group: ["pocket"] for group in GROUPS}


def one_line(error: BaseException) -> None:
    assert str(error).strip()  # the terminal joins its lines


@given(KEYS, VALUES, st.booleans())
def test_any_override_is_checked(key: str, value: str, sweep: bool) -> None:
    try:
        check_overrides([f"{key}={value}"], OPTIONS, sweep=sweep)
    except ConfigError as error:
        one_line(error)


@settings(max_examples=settings.default.max_examples // 4)  # Hydra takes a tenth of a second
@given(key=st.sampled_from(sorted(schema_keys())), value=VALUES)
@example(key="output_root", value="Папка/вывод")
def test_any_override_is_composed_or_refused(key: str, value: str) -> None:
    try:
        compose([f"{key}={value}"])
    except XtransplantError as error:
        one_line(error)


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda n: not iskeyword(n))
LITERALS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(NAMES, st.dictionaries(NAMES, LITERALS, max_size=3))
def test_a_call_that_is_spelled_is_parsed_again(name: str, arguments: dict[str, Any]) -> None:
    text = spell(name, arguments)
    assert parse(text) == (name, arguments)
    assert split(f"[{text},other]") == [text, "other"]


@given(VALUES)
def test_any_scorer_is_found_or_refused(value: str) -> None:
    for setting in (value, f"regex(pattern={value!r})", [value], {"name": value}, {value: value}):
        try:
            assert find_scorers(setting)
        except ConfigError as error:
            one_line(error)


@given(VALUES)
def test_any_cell_is_read_or_refused(value: str) -> None:
    for text in (value, f"{value},0", f"0,{value}"):
        try:
            assert all(type(layer) is int for layer in parse_cell(text))
        except XtransplantError as error:
            one_line(error)


@given(st.text(max_size=20))
def test_a_name_that_is_taken_is_safe_in_paths_and_pages(name: str) -> None:
    try:
        require_name("model.name", name)
    except ConfigError as error:
        one_line(error)
        return
    assert name == name.strip() and not set(name) & set("/\\<>&\"'=|$`\n\r\t\0;*?~#%")
    assert name not in (".", "..") and not name.startswith((".", "-", "+", "@"))
    assert all(
        unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn") for letter in name
    )


@given(st.text(max_size=20))
def test_what_is_shown_does_nothing_to_a_terminal(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u061c\u200e\u200f")


COMMANDS = ["ls", "status", "rescore", "select", "report", "submit", "nothing", "--version", ""]
FLAGS = ["--json", "--out", "--output", "--config-dir", "-m", "--", "--nothing", "-h", "--strategy"]


@given(
    command=st.sampled_from(COMMANDS),
    words=st.lists(st.sampled_from(FLAGS) | VALUES.filter(lambda t: "/" not in t), max_size=3),
)
def test_any_command_ends_with_a_status(
    place: Path, capsys: pytest.CaptureFixture[str], command: str, words: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert cli.main([command, *words]) in (0, 1, 2)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    assert "\x1b" not in said.err + said.out
