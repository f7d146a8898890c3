"""Verdicts worked out by hand from the rule in the authors' evaluation code."""

import pytest

from xtransplant.errors import ConfigError
from xtransplant.scoring import SCORERS, option_key, score
from xtransplant.types import Instance, Option, Score

ENGLISH = ("Entail", "Neutral", "Contradict")
FRENCH = ("(1) Entraîner", "(2) Neutre", "(3) Contraire")  # the label file carries the marker
SWAHILI = ("Inajumuisha", "Kuegemea upande wowote", "Kupingana")
CHINESE = ("蕴涵", "中立", "矛盾")
ARABIC = ("يستلزم", "محايد", "يتناقض")
NO_LABELS = (None, None)


def choice(gold: str, labels: tuple[str | None, ...]) -> Instance:
    options = tuple(Option(f"({key})", label) for key, label in enumerate(labels, start=1))
    return Instance("i", "fr", "en", "fr", "source", "target", gold, options)


def free(gold: str) -> Instance:
    return Instance("i", "fr", "en", "fr", "source", "target", gold)


RIGHT, WRONG = True, False

CHOICES = [
    # Markers.
    (ENGLISH, "1", "(1)", "1", RIGHT),
    (ENGLISH, "2", "(1)", "1", WRONG),
    (ENGLISH, "1", " (1) Entail", "1", RIGHT),
    (ENGLISH, "2", "The answer is (2).", "2", RIGHT),
    (ENGLISH, "3", "I would choose (3), since the two differ", "3", RIGHT),
    (ENGLISH, "1", "\n\n(1)\n", "1", RIGHT),
    (ENGLISH, "1", "(1)(1)(1)", "1", RIGHT),
    (ENGLISH, "1", "(1) or (2)", None, WRONG),
    (ENGLISH, "2", "(1) or (2)", None, WRONG),
    (ENGLISH, "3", "(1) or (2)", None, WRONG),
    (ENGLISH, "1", "(1) (2) (3)", None, WRONG),
    (ENGLISH, "1", "( 1 )", None, WRONG),
    (ENGLISH, "1", "[1]", None, WRONG),
    (ENGLISH, "1", "(11)", None, WRONG),
    (ENGLISH, "1", "(4)", None, WRONG),
    (ENGLISH, "1", "(a)", None, WRONG),
    (ENGLISH, "1", "((1))", "1", RIGHT),
    (ENGLISH, "1", "(1", None, WRONG),
    (ENGLISH, "1", "1)", None, WRONG),
    # Full-width parentheses.
    (ENGLISH, "1", "（1）", "1", RIGHT),
    (ENGLISH, "1", "（1)", "1", RIGHT),
    (ENGLISH, "2", "（1）", "1", WRONG),
    (CHINESE, "3", "（3）矛盾", "3", RIGHT),
    (CHINESE, "1", "（1）或（2）", None, WRONG),
    (ENGLISH, "1", "（１）", None, WRONG),  # the digit stays full-width
    # Exactly k, whitespace aside.
    (ENGLISH, "1", "1", "1", RIGHT),
    (ENGLISH, "1", " 1", "1", RIGHT),
    (ENGLISH, "1", "1\n", "1", RIGHT),
    (ENGLISH, "1", "\t1 \n\n", "1", RIGHT),
    (ENGLISH, "1", "\u00a01\u3000", "1", RIGHT),
    (ENGLISH, "2", "1", "1", WRONG),
    (ENGLISH, "1", "1.", None, WRONG),
    (ENGLISH, "1", "1 2", None, WRONG),
    (ENGLISH, "1", "Option 1", None, WRONG),
    (ENGLISH, "1", "11", None, WRONG),
    (ENGLISH, "1", "4", None, WRONG),
    (ENGLISH, "1", "", None, WRONG),
    (ENGLISH, "1", "   \n", None, WRONG),
    # Labels.
    (ENGLISH, "1", "Entail", "1", RIGHT),
    (ENGLISH, "1", "It is an Entailment", "1", RIGHT),
    (ENGLISH, "1", "entail", None, WRONG),  # case counts
    (ENGLISH, "1", "ENTAIL", None, WRONG),
    (ENGLISH, "3", "Contradiction", "3", RIGHT),  # holds the label
    (ENGLISH, "3", "contradiction", None, WRONG),
    (ENGLISH, "3", "They Contradict each other.", "3", RIGHT),
    (ENGLISH, "2", "Neutral (2)", "2", RIGHT),
    (ENGLISH, "2", "Neutral (1)", None, WRONG),
    (ENGLISH, "1", "Neutral (1)", None, WRONG),
    (ENGLISH, "1", "Entail, not Contradict", None, WRONG),
    (ENGLISH, "3", "Entail, not Contradict", None, WRONG),
    (SWAHILI, "2", "Kuegemea upande wowote", "2", RIGHT),
    (SWAHILI, "2", "Kuegemea upande", None, WRONG),
    (SWAHILI, "1", " (1) Inajumuisha\n(2)", None, WRONG),
    (CHINESE, "2", "我认为是中立。", "2", RIGHT),
    (CHINESE, "2", "蕴涵或中立", None, WRONG),
    (ARABIC, "1", "(1) يستلزم", "1", RIGHT),
    (ARABIC, "2", "الجواب محايد.", "2", RIGHT),
    (ARABIC, "3", "(1) يتناقض", None, WRONG),
    # Labels that carry the marker are used as they stand.
    (FRENCH, "1", "(1) Entraîner", "1", RIGHT),
    (FRENCH, "1", "Entraîner", None, WRONG),
    (FRENCH, "2", "(2)", "2", RIGHT),
    (FRENCH, "2", "Neutre", None, WRONG),
    (FRENCH, "3", "（3） Contraire", "3", RIGHT),
    (FRENCH, "1", "(1) Neutre", "1", RIGHT),
    # Two options without labels (XCOPA).
    (NO_LABELS, "1", "(1)", "1", RIGHT),
    (NO_LABELS, "2", " 2\n", "2", RIGHT),
    (NO_LABELS, "2", "(1)", "1", WRONG),
    (NO_LABELS, "2", "(1) (2)", None, WRONG),
    (NO_LABELS, "1", "(1) (3)", "1", RIGHT),  # there is no third option
    (NO_LABELS, "1", "Neutral", None, WRONG),
]


@pytest.mark.parametrize(("labels", "gold", "text", "answer", "correct"), CHOICES)
def test_paper_scorer_with_options(labels, gold, text, answer, correct):
    assert score("paper", text, choice(gold, labels)) == Score(answer, correct)


def authors_verdict(pred: str, gold: str, keys: str, labels: tuple[str | None, ...]) -> bool:
    """The published rule once more, the other way round: gold first, then every other option."""
    pred = pred.replace("（", "(").replace("）", ")")

    def holds(key: str) -> bool:
        label = labels[int(key) - 1]
        return f"({key})" in pred or pred.strip() == key or bool(label and label in pred)

    return holds(gold) and not any(holds(key) for key in keys if key != gold)


@pytest.mark.parametrize(("labels", "gold", "text", "answer", "correct"), CHOICES)
def test_paper_scorer_is_the_published_rule_for_every_gold(labels, gold, text, answer, correct):
    keys = "123"[: len(labels)]
    for key in keys:
        verdict = score("paper", text, choice(key, labels))
        assert verdict.correct == authors_verdict(text, key, keys, labels)
        assert verdict.answer == answer  # what is read does not depend on the gold answer


@pytest.mark.parametrize(
    ("gold", "text", "answer", "correct"),
    [
        ("Paris", "Paris", "paris", RIGHT),
        ("Paris", " It is paris, of course.\n", "it is paris, of course.", RIGHT),
        ("PARIS", "paris", "paris", RIGHT),
        ("Paris", "Par is", "par is", WRONG),
        ("par", "Paris", "paris", RIGHT),
        ("308", "Die Panthers ließen 308 Punkte zu", "die panthers ließen 308 punkte zu", RIGHT),
        ("308", "3081", "3081", RIGHT),
        ("30", "", None, WRONG),
        ("30", " \n", None, WRONG),
        ("Νίκαια", "στη νίκαια", "στη νίκαια", RIGHT),
        ("巴黎", "答案是巴黎。", "答案是巴黎。", RIGHT),
        ("Straße", "STRASSE", "strasse", WRONG),  # lower-cased, not casefolded
        (" x", "ax", "ax", WRONG),
        (" x", "a x", "a x", RIGHT),
    ],
)
def test_paper_scorer_without_options(gold, text, answer, correct):
    assert score("paper", text, free(gold)) == Score(answer, correct)


@pytest.mark.parametrize(
    ("gold", "text", "answer", "correct"),
    [
        ("Nuri", "Nuri", "nuri", RIGHT),
        ("Nuri", " nuri.", "nuri", RIGHT),
        ("Nuri", "NURI!?\n", "nuri", RIGHT),
        ("nuri.", "Nuri", "nuri", RIGHT),
        ("Nuri", "«Nuri»", "nuri", RIGHT),
        ("Nuri", "“Nuri”。", "nuri", RIGHT),
        ("Nuri", "Nuri and Ana", "nuri and ana", WRONG),
        ("Nuri", "Nur", "nur", WRONG),
        ("Nuri", "Nuri, Nuri", "nuri, nuri", WRONG),
        ("O'Neil", "o'neil", "o'neil", RIGHT),
        ("O'Neil", "oneil", "oneil", WRONG),
        ("Straße", "STRASSE", "strasse", RIGHT),
        ("पेरिस", " पेरिस।", "पेरिस", RIGHT),
        ("-5", "5", "5", RIGHT),  # a sign is punctuation at the edge
        ("5 €", "5 €", "5 €", RIGHT),
        ("5 €", "5", "5", WRONG),  # a currency sign is a symbol, not punctuation
        ("Nuri", "", None, WRONG),
        ("Nuri", " … ", None, WRONG),
    ],
)
def test_exact_match(gold, text, answer, correct):
    assert score("exact_match", text, free(gold)) == Score(answer, correct)


def test_a_gold_answer_of_punctuation_is_never_matched_by_nothing():
    assert score("exact_match", "", free("...")) == Score(None, False)


@pytest.mark.parametrize(
    ("marker", "key"), [("(1)", "1"), ("(A)", "A"), ("（2）", "2"), ("3", "3")]
)
def test_option_key(marker, key):
    assert option_key(Option(marker)) == key


def test_full_width_markers_in_the_prompt_make_no_difference():
    options = tuple(Option(f"（{key}）") for key in "123")
    instance = Instance("i", "zh", "en", "zh", "source", "target", "2", options)
    assert score("paper", "(2)", instance) == Score("2", True)
    assert score("paper", "（2）", instance) == Score("2", True)
    assert score("paper", "（1）", instance) == Score("1", False)


def test_unknown_scorer_names_the_nearest():
    with pytest.raises(ConfigError) as error:
        score("papers", "(1)", choice("1", ENGLISH))
    assert str(error.value) == (
        "unknown scorer 'papers'; allowed: exact_match, paper; nearest match: paper"
    )


def test_scorers_are_listed_under_their_own_names_with_a_version():
    assert {name: (scorer.name, scorer.version) for name, scorer in SCORERS.items()} == {
        "paper": ("paper", 1),
        "exact_match": ("exact_match", 1),
    }
