"""Scorers: what a reader sees as the same answer is judged the same, whatever its code points."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xtransplant.scoring.judging import judge
from xtransplant.scoring.option import CLOSING, OPENING, named_option
from xtransplant.scoring.registry import SCORERS, find_scorers
from xtransplant.scoring.words import contains_any, exact_match, f1
from xtransplant.types import Instance, Option, Reply

FORMS = st.sampled_from(["NFC", "NFD"])
INVISIBLE = [
    "\u200b",
    "\u200e",
    "\u200f",
    "\ufeff",
    "\u2060",
    "\u00ad",
    "\u202c",
    "\u2066",
    "\ufe0f",
]
SEEN = [
    *("Đà Nẵng", "서울특별시", "İstanbul", "Ελλάδα", "ရန်ကုန်", "القاهرة", "दिल्ली"),
    *("Århus", "Zürich", "東京"),
]
NAMES = st.sampled_from(SEEN) | st.text(
    st.characters(categories=["Lu", "Ll", "Lo"], max_codepoint=0x24FF), min_size=1, max_size=8
)
ZEROS = [chr(n) for n in range(0x110000) if unicodedata.decimal(chr(n), None) == 0]
"""The digit nought of every script."""
PAIRS = [
    *("()", "[]", "{}", "<>", "«»", "“”", "‘’", "「」", "『』", "【】"),
    *("〔〕", "《》", "（）", "［］"),
]
ANYTHING = st.text(max_size=30) | st.lists(
    st.sampled_from([*"ABCD1234()[].,:;*$`\\ \n", *INVISIBLE, *SEEN, "\0", "Answer: ", "Ａ", "①"]),
    max_size=12,
).map("".join)


def asked(gold: str, language: str = "en", options: str = "") -> Instance:
    marked = tuple(Option(f"({key})") for key in options)
    return Instance("q", language, "en", language, "s", "t", gold, marked)


@st.composite
def seeming(draw: st.DrawFn, text: str) -> str:
    """Return a text that looks the same: in another normal form, with invisible characters."""
    text = unicodedata.normalize(draw(FORMS), text)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(INVISIBLE)) + text[place:]
    return text


@given(st.data(), NAMES, st.sampled_from(["en", "tr", "vi", "ko", "ar", "my"]))
def test_a_name_that_looks_the_same_is_the_same(
    data: st.DataObject, name: str, language: str
) -> None:
    instance = asked(data.draw(seeming(name)), language)
    reply = Reply(data.draw(seeming(name)), "eos")
    assert exact_match(reply, instance).correct
    assert f1(reply, instance).value == 1
    assert contains_any(Reply(f"- {reply.text} -", "eos"), instance).correct


@given(st.integers(0, 10**6), st.sampled_from(ZEROS))
def test_a_number_is_the_same_in_the_digits_of_every_script(number: int, zero: str) -> None:
    digits = "".join(chr(ord(zero) + int(digit)) for digit in str(number))
    for text, gold in ((digits, str(number)), (str(number), digits)):
        assert exact_match(Reply(text, "eos"), asked(gold)).correct
    assert not exact_match(Reply(digits, "eos"), asked(str(number + 1))).correct


@given(st.data(), st.sampled_from("1234"), st.sampled_from(ZEROS), st.sampled_from(PAIRS))
def test_an_option_in_brackets_is_named_in_the_digits_of_every_script(
    data: st.DataObject, key: str, zero: str, pair: str
) -> None:
    digit = chr(ord(zero) + int(key))
    text = data.draw(seeming(f"{pair[0]}{digit}{pair[1]}"))
    assert named_option(Reply(text, "eos"), asked(key, options="1234")).answer == key


@given(st.data(), st.sampled_from("ABCD"), st.sampled_from(["{}", "Answer: {}", "**{}**", "${}$"]))
def test_an_option_by_its_letter_is_named(data: st.DataObject, key: str, form: str) -> None:
    wide = data.draw(st.sampled_from([key, chr(ord(key) + 0xFEE0)]))
    text = data.draw(seeming(form.format(wide)))
    assert named_option(Reply(text, "eos"), asked(key, options="ABCD")).correct


@given(
    ANYTHING,
    st.sampled_from(["ABCD", "1234", "AB", "*#", "?!"]),
    st.sampled_from(["eos", "length"]),
)
def test_any_text_gets_a_verdict(text: str, keys: str, finish: str) -> None:
    instance = asked(keys[0], "sw", keys)
    reply = Reply(text, finish, tuple(-1.0 for _ in keys))
    for name in sorted(SCORERS.keys() - {"regex", "opinion"}):
        (scorer,) = find_scorers(name)
        (score,) = judge(scorer, [(instance, reply)])
        assert score.correct in (True, False)
        if SCORERS[name].needs == "options" and score.answer is not None:
            assert score.answer in keys
            assert score.correct == (score.answer == keys[0])
    if not text.strip():
        assert named_option(reply, instance).answer is None


def test_the_brackets_of_these_properties_are_those_that_are_read() -> None:
    for pair in PAIRS:
        opening, closing = (unicodedata.normalize("NFKC", one) for one in pair)
        assert opening in OPENING and closing in CLOSING


@pytest.mark.parametrize("mark", INVISIBLE)
def test_the_characters_are_invisible(mark: str) -> None:
    assert unicodedata.category(mark) in ("Cf", "Mn")
