"""The scorer `regex`: what it finds, what its arguments may be, and what names it."""

import hashlib
from dataclasses import dataclass, replace

import pytest

from xtransplant.errors import ConfigError
from xtransplant.scoring.registry import SCORERS, find_scorers
from xtransplant.scoring.scorer import ScorerEntry
from xtransplant.types import Instance, Option, Reply, Score

FREE = Instance("i", "fr", "en", "fr", "s", "t", "l'Égypte", aliases=("Misr",))
OPTIONS = replace(FREE, gold="A", aliases=(), options=(Option("(A)"), Option("(B)")))


def score(text, pattern, instance=FREE, **arguments):
    (scorer,) = find_scorers({"name": "regex", "pattern": pattern, **arguments})
    verdict = scorer.rule(Reply(text), instance)
    return verdict.answer, verdict.correct


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("C'est : L'Égypte.", r": (.*)", ("égypte", True)),  # as exact_match reads it
        ("C'est : L'Égypte.", r"Égypte", ("égypte", True)),  # no group: the whole match
        ("Réponse: misr !", r"Réponse: (\w+)", ("misr", True)),  # an alias
        ("Réponse: Mali, Réponse: Misr", r"Réponse: (\w+)", ("mali", False)),  # the first match
        ("Misr", r"(\d)?Misr", (None, False)),  # a first group that takes no part
        ("Misr", r"(?:Misr)(Misr)?|(Misr)", (None, False)),  # never the second one
        ("Misr", r"x*", (None, False)),  # an empty match
        ("Mali", r"Misr", (None, False)),
        ("a\nMisr", r"(?m)^M\w+$", ("misr", True)),
    ],
)
def test_the_first_group_or_the_match_is_the_answer(text, pattern, expected):
    assert score(text, pattern) == expected


def test_case_counts_unless_told_otherwise():
    assert score("MISR", "misr") == (None, False)
    assert score("MISR", "misr", ignore_case=True) == ("misr", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("B or A", ("B", False)), ("(A)", ("A", True)), ("a.", ("A", True)), ("C", (None, False))],
)
def test_of_options_the_answer_is_a_key(text, expected):
    assert score(text, r"(?i)\b([a-d])\b", OPTIONS) == expected


def test_an_empty_gold_answer_is_never_right():
    assert score("Misr", "x*", replace(FREE, gold="", aliases=())) == (None, False)


def label(**arguments):
    return find_scorers({"name": "regex", **arguments})[0].label


def test_the_label_tells_arguments_apart_and_is_a_folder_name():
    digest = hashlib.sha256(rb'{"pattern": "\\d/\u00e9"}').hexdigest()[:8]
    assert label(pattern=r"\d/é") == f"regex-1-{digest}"
    digest = hashlib.sha256(rb'{"ignore_case": true, "pattern": "a"}').hexdigest()[:8]
    assert label(pattern="a", ignore_case=True) == f"regex-1-{digest}"
    assert label(pattern="a", ignore_case=False) == label(pattern="a")  # the default is no other
    assert len({label(pattern=p) for p in ("a", "b", "A", "a ")}) == 4


@pytest.mark.parametrize(
    "setting",
    [
        r'regex(pattern="\\d+", ignore_case=True)',
        r"regex(ignore_case=True, pattern=r'\d+')",
        {"name": "regex", "pattern": r"\d+", "ignore_case": True},
        [{"pattern": r"\d+", "ignore_case": True, "name": "regex"}],
    ],
)
def test_one_scorer_has_one_name_however_it_is_written(setting):
    (scorer,) = find_scorers(setting)
    assert scorer.setting == r'regex(ignore_case=True, pattern="\\d+")'
    assert find_scorers(scorer.setting)[0].label == scorer.label


def test_each_scorer_once_and_different_arguments_are_different_scorers():
    found = find_scorers(
        ["regex(pattern='a')", "option", {"name": "regex", "pattern": "b"}, 'regex(pattern="a")']
    )
    assert [scorer.setting for scorer in found] == [
        'regex(pattern="a")',
        "option",
        'regex(pattern="b")',
    ]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("regex", "scorer regex needs the argument pattern, text in quotes: regex(pattern=…)"),
        ({"name": "regex"}, "scorer regex needs the argument pattern, text in quotes: "),
        (
            "regex(patern='a')",
            "scorer regex: unknown argument 'patern'; allowed: ignore_case, pattern; "
            "nearest match: pattern",
        ),
        (
            {"name": "regex", "pattern": 7},
            "bad value 7 for pattern of scorer regex; allowed: text in quotes",
        ),
        (
            "regex(pattern='a', ignore_case=1)",
            "bad value 1 for ignore_case of scorer regex; allowed: True or False",
        ),
        (
            "regex(pattern='(a')",
            "pattern '(a' of scorer regex is not a valid regular expression: missing ), unter",
        ),
        (r"regex(pattern='\bA')", r"pattern '\x08A' of scorer regex holds the control character "),
        ("regexp(pattern='a')", "unknown scorer 'regexp'; allowed: "),
        ("option(x=1)", "scorer option takes no arguments; got x"),
        ({"pattern": "a"}, "scorer {'pattern': 'a'} has no name; allowed: {name: NAME, "),
        ("regex('a')", "cannot read \"regex('a')\"; allowed: NAME or NAME(ARGUMENT=VALUE, …)"),
    ],
)
def test_a_mistake_is_one_line(setting, message):
    with pytest.raises(ConfigError) as error:
        find_scorers(setting)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_an_argument_of_a_type_without_wording_fails_at_import():
    class Odd:
        patterns: list

    with pytest.raises(TypeError, match="scorer odd has arguments of types"):
        ScorerEntry("odd", 1, Odd)
    assert SCORERS["regex"].rule  # the shipped ones have passed


@pytest.mark.parametrize("pattern", ["", "()", "(())"])
def test_a_pattern_that_finds_nothing_is_refused(pattern):
    with pytest.raises(ConfigError, match="never finds an answer"):
        find_scorers({"name": "regex", "pattern": pattern})


def test_a_pattern_that_cannot_be_stored_is_refused():
    with pytest.raises(ConfigError, match=r"bad value '.udc00' for pattern of scorer regex"):
        find_scorers({"name": "regex", "pattern": "\udc00"})


def test_a_pattern_that_python_warns_of_is_read_as_it_is():
    assert score("Misr [", "[[a]") == (None, False)
    assert score("Misr a", "(M[[i]sr)") == ("misr", True)


def test_numbers_that_are_equal_are_one_argument():
    @dataclass(frozen=True)
    class Near:
        tolerance: float = 0.0

        def __call__(self, reply, instance):
            return Score(None, False)

    entry = ScorerEntry("near", 1, Near)
    assert entry.scorer({"tolerance": 1}) == entry.scorer({"tolerance": 1.0})
    assert entry.scorer({"tolerance": 0}).label == "near-1"
    for value in (float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="allowed: a number"):
            entry.scorer({"tolerance": value})
