"""Settings written as calls: what is read, what is written, what is refused."""

import pytest

from xtransplant.calls import parse, quote_calls, spell, split
from xtransplant.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("option", ["option"]),
        ("paper, option", ["paper", "option"]),
        ("[paper,option]", ["paper", "option"]),
        ('regex(pattern="a, b"),f1', ['regex(pattern="a, b")', "f1"]),
        ("[regex(pattern='[,)]', x=(1, 2)), f1]", ["regex(pattern='[,)]', x=(1, 2))", "f1"]),
        (r'regex(pattern="\",(")', [r'regex(pattern="\",(")']),
        ("paper,", ["paper", ""]),
        ("", [""]),
    ],
)
def test_a_list_is_split_where_no_string_or_bracket_is_open(text, expected):
    assert split(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("option", ("option", {})),
        ("option()", ("option", {})),
        ("paper-2", ("paper-2", {})),
        (r'regex(pattern="\\d+=(x)")', ("regex", {"pattern": r"\d+=(x)"})),
        (r"regex(pattern=r'\bA')", ("regex", {"pattern": r"\bA"})),
        (r'regex(pattern="\d")', ("regex", {"pattern": r"\d"})),  # Python warns, we need not
        ("f(a=1, b=-0.5, c=True, d='答')", ("f", {"a": 1, "b": -0.5, "c": True, "d": "答"})),
    ],
)
def test_names_and_arguments(text, expected):
    assert parse(text) == expected
    assert parse(spell(*expected)) == expected


@pytest.mark.parametrize("value", ["'\"", "a\nb", "\\", "\u2028", "\0", "🙂 é", "", "r'x'", "${a}"])
def test_every_text_survives_being_written_and_read(value):
    written = spell("regex", {"pattern": value})
    assert "\n" not in written
    assert parse(written) == ("regex", {"pattern": value})
    assert split(f"{written},{written}") == [written, written]


@pytest.mark.parametrize(
    "text",
    [
        'regex("a")',
        "regex(pattern=a)",
        "regex(pattern='a'",
        "regex(pattern=open('x'))",
        "re.gex(pattern='a')",
        "regex(**{'pattern': 'a'})",
        "regex(pattern='a', pattern='b')",
        "regex(pattern='a')('b')",
        "(a)",
        "f(" + "(" * 500 + ")" * 500 + ")",
    ],
)
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert str(error.value).startswith(f"cannot read {text!r}; ")
    assert "allowed: NAME or NAME(ARGUMENT=VALUE, …)" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("option", "option"),
        ('regex(pattern="a,b")', '<regex(pattern="a,b")>'),
        ('[option,regex(pattern=")")]', '[option,<regex(pattern=")")>]'),
        ("choice(f1,regex(pattern='a'),option)", "choice(f1,<regex(pattern='a')>,option)"),
        ("regex(x=choice(1))", "<regex(x=choice(1))>"),
        ("'regex(pattern=1)'", "'regex(pattern=1)'"),
        ("{name:regex,pattern:'(a)'}", "{name:regex,pattern:'(a)'}"),
        ("regex(pattern='a'", "regex(pattern='a'"),
    ],
)
def test_calls_are_quoted_but_for_the_functions_named(text, expected):
    assert quote_calls(text, "<{}>".format, {"choice"}) == expected
