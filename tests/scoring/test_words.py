"""Exact match, F1 and containment, worked out by hand; articles from MLQA's and MKQA's scripts."""

import unicodedata
from dataclasses import replace

import pytest

from xtransplant.scoring.registry import SCORERS
from xtransplant.scoring.words import normalised
from xtransplant.types import Instance, Reply, Score


def free(gold: str, language: str = "en", aliases: tuple[str, ...] = ()) -> Instance:
    return Instance(
        "i", "x", "xx", language, "source", "target", gold, aliases=aliases
    )  # only the target's language may count


def score(name: str, text: str, instance: Instance) -> Score:
    return SCORERS[name].rule(Reply(text), instance)


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        # Case, punctuation, symbols, white space.
        ("en", "  Eiffel\tTower.\n", "eiffel tower"),
        ("en", "“Eiffel” (Tower)!", "eiffel tower"),
        ("en", "O'Neil", "oneil"),
        ("en", "well-known", "wellknown"),
        ("en", "$5 + 3 = 8", "5 3 8"),  # $, + and = are SQuAD's punctuation
        ("en", "5 €", "5 €"),  # € is not
        ("ru", "Река — Волга", "река волга"),
        ("hi", "नई दिल्ली।", "नई दिल्ली"),
        ("de", "STRASSE Straße", "strasse straße"),  # lower case, no folding
        # Articles, whole words only.
        ("en", "The cat and a dog", "cat and dog"),
        ("en", "An anthem", "anthem"),
        ("es", "El río y la mar", "río y mar"),
        ("es", "unos lagos", "lagos"),
        ("de", "der Fluss in dem Tal", "fluss in tal"),
        ("de", "Derby", "derby"),
        ("vi", "cái nhà của tôi", "nhà tôi"),
        ("ar", "القاهرة", "قاهرة"),
        ("ar", "في القاهرة", "في قاهرة"),
        ("fr", "L'eau de la mer", "eau mer"),
        ("fr", "l’été", "été"),
        ("fr", "leçon", "leçon"),
        ("it", "dell'acqua il lago", "acqua lago"),
        ("pt", "os rios", "rios"),
        ("nl", "het meer", "meer"),
        ("sv", "ett hus", "hus"),
        ("da", "et hus", "hus"),
        ("no", "ei hytte", "hytte"),
        ("hu", "az alma", "alma"),
        ("el", "ο Νείλος της Αφρικής", "νείλος αφρικής"),
        ("ro", "un râu", "râu"),
        ("tr", "bir ev", "ev"),
        ("ru", "the cat", "the cat"),
        ("sw", "a la el", "a la el"),
        # Nothing but articles: kept.
        ("en", "The A", "the a"),
        ("en", "A", "a"),
        ("en", "?!", ""),
        ("en", "", ""),
        # Scripts without spaces: each character is a word.
        ("zh", "北京大学", "北 京 大 学"),
        ("zh-CN", "NBA总决赛，2016年", "nba 总 决 赛 2016 年"),
        ("ja", "東京タワー", "東 京 タ ワ ー"),
        ("th", "คน ไทย", "ค น ไ ท ย"),
        ("km", "ទឹក", "ទ ឹ ក"),
        ("ko", "서울 시", "서울 시"),
        ("pt-BR", "o rio", "rio"),
    ],
)
def test_normalised_words(language, text, words):
    assert normalised(text, language) == words.split()


@pytest.mark.parametrize("name", ["exact_match", "f1", "contains_any"])
@pytest.mark.parametrize(
    ("language", "gold", "text"),
    [
        # Composed and decomposed.
        ("vi", "Đà Nẵng", unicodedata.normalize("NFD", "Đà Nẵng")),
        ("ko", unicodedata.normalize("NFD", "서울"), "서울"),
        ("fr", "é", "e\u200b\u0301"),
        ("hi", "\u0958", "\u0915\u093c"),  # qa, which has no composed form
        # Not seen.
        ("my", "ရန်ကုန်", "ရန်\u200bကုန်"),
        ("ar", "النيل", "\u200fالنيل"),
        ("en", "Paris", "\ufeffParis"),
        ("de", "Hauptstadt", "Haupt\u00adstadt"),
        ("fa", "می\u200cخواهم", "میخواهم"),
        ("he", "שלום", "\u202bשלום\u202c"),
        ("ja", "葛城", "葛\U000e0100城"),
        ("ko", "서울", "서\u3164울"),
        ("ar", "محمد", "محمـــد"),
        # Shapes for the width of a cell, or of a letter in its word.
        ("ja", "ガーナ", "ｶﾞｰﾅ"),
        ("zh", "NBA", "ＮＢＡ"),
        ("ar", "محمد", "ﻣﺤﻤﺪ"),
        # Case by the rule of the language.
        ("tr", "İstanbul", "istanbul"),
        ("tr", "IĞDIR", "ığdır"),
        ("az", "İlham", "ilham"),
        ("en", "İstanbul", "Istanbul"),
        ("el", "ΟΔΟΣ", "οδος"),
        # Letters that look the same.
        ("uk", "м\u02bcяч", "м'яч"),
        ("uz", "O\u02bbzbekiston", "O’zbekiston"),
        ("ml", "അവന്\u200d", "അവൻ"),
        ("bn", "সত্\u200d", "সৎ"),
        # Digits.
        ("am", "፪", "2"),
        ("ar", "2016", "٢٠١٦"),
        ("ja", "2016", "２０１６"),
        ("fa", "۱۲۰", "120"),
        ("my", "၂၀၁၆", "2016"),
        ("en", "2016", "2\u200b016"),
    ],
)
def test_what_a_reader_sees_as_the_same_is_the_same(name, language, gold, text):
    assert gold != text
    assert score(name, text, free(gold, language)).correct
    assert score(name, gold, free(text, language)).correct


@pytest.mark.parametrize(
    ("language", "gold", "text"),
    [
        ("tr", "ılık", "ilik"),  # lukewarm, marrow
        ("vi", "má", "mà"),
        ("ar", "2016", "٢٠١٧"),
        ("he", "שלום", "שלומ"),
    ],
)
def test_what_a_reader_tells_apart_stays_apart(language, gold, text):
    assert not score("exact_match", text, free(gold, language)).correct


@pytest.mark.parametrize(
    ("language", "gold", "text", "correct"),
    [
        ("en", "Nuri", " nuri.", True),
        ("en", "the Nuri", "Nuri", True),
        ("en", "Nuri", "Nuri and Ana", False),
        ("en", "Nuri", "Nur", False),
        ("en", "Nuri Ana", "Ana Nuri", False),
        ("en", "Nuri", "", False),
        ("en", "...", "", False),
        ("en", "...", "...", False),
        ("en", "A", "a", True),
        ("en", "A", "the", False),
        ("zh", "北京", "北京。", True),
        ("zh", "北京", "北 京", True),
        ("ar", "القاهرة", "قاهرة", True),
    ],
)
def test_exact_match(language, gold, text, correct):
    answer = " ".join(normalised(text, language)) or None
    assert score("exact_match", text, free(gold, language)) == Score(answer, correct)


@pytest.mark.parametrize(
    ("language", "gold", "text", "value"),
    [
        ("en", "Paris", "Paris", 1.0),
        ("en", "the Eiffel Tower", "Eiffel Tower in Paris", 2 / 3),  # 2 of 4, 2 of 2
        ("en", "Paris", "London", 0.0),
        ("en", "Paris", "", 0.0),
        ("en", "no no yes", "no yes yes", 2 / 3),  # one no, one yes: 2 of 3, 2 of 3
        ("en", "no no yes", "no no", 0.8),  # 2 of 2, 2 of 3
        ("en", "red green blue", "red", 0.5),  # 1 of 1, 1 of 3
        ("en", "red green blue white", "red", 0.4),  # 1 of 1, 1 of 4
        ("de", "die Panthers", "der Trainer der Panthers", 2 / 3),  # 1 of 2, 1 of 1
        ("zh", "北京大学", "北京", 2 / 3),  # 2 of 2, 2 of 4
        ("zh", "NBA总决赛", "总决赛", 6 / 7),  # 3 of 3, 3 of 4
        ("th", "ไทย", "คนไทย", 3 / 4),  # 3 of 5, 3 of 3
        ("ar", "القاهرة", "في القاهرة", 2 / 3),  # 1 of 2, 1 of 1
        ("vi", "cái nhà", "nhà lớn", 2 / 3),  # 1 of 2, 1 of 1
        ("hi", "नई दिल्ली", "दिल्ली।", 2 / 3),  # 1 of 1, 1 of 2
        ("en", "...", "...", 0.0),
    ],
)
def test_f1(language, gold, text, value):
    verdict = score("f1", text, free(gold, language))
    assert verdict.value == pytest.approx(value)
    assert verdict.correct == (value >= 0.5)


@pytest.mark.parametrize(
    ("language", "gold", "text", "correct"),
    [
        ("en", "Paris", "It is Paris, of course", True),
        ("en", "Par", "Paris", False),
        ("en", "308", "3081", False),
        ("en", "no", "not", False),
        ("en", "New York", "in New York City", True),
        ("en", "New York", "York New", False),
        ("en", "New York", "New in York", False),
        ("en", "the Beatles", "Beatles", True),
        ("en", "Paris", "", False),
        ("en", "?", "?", False),
        ("zh", "北京", "我在北京大学", True),
        ("zh", "北学", "北京大学", False),
        ("ja", "東京", "それは東京です。", True),
        ("th", "ไทย", "ประเทศไทย", True),
        ("ko", "서울", "서울 시", True),
        ("ko", "서울", "서울은", False),  # a particle makes it another word
    ],
)
def test_contains_any(language, gold, text, correct):
    assert score("contains_any", text, free(gold, language)).correct == correct


@pytest.mark.parametrize("name", ["exact_match", "f1", "contains_any"])
def test_aliases_are_right_as_well(name):
    instance = free("United States", aliases=("USA", "America"))
    for text, correct in [("the USA", True), ("america!", True), ("Canada", False)]:
        assert score(name, text, instance).correct == correct
        assert not score(name, text, replace(instance, aliases=())).correct


def test_f1_is_the_best_over_the_aliases():
    instance = free("Paris France", aliases=("Paris",))
    assert score("f1", "Paris", instance).value == 1.0
    assert score("f1", "Paris France", instance).value == 1.0
    assert score("f1", "in Paris", instance).value == pytest.approx(2 / 3)
