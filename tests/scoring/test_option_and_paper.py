"""Verdicts worked out by hand from the rules in the authors' evaluation code, and from `option`'s.

The table of answers is in `answer_table`.
"""

import json
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase

import pytest
from answer_table import ANSWERS, LABELS, QUESTIONS, keys

from xtransplant.errors import ConfigError
from xtransplant.scoring.judging import judge, require_fit
from xtransplant.scoring.registry import SCORERS, find_scorers
from xtransplant.types import Instance, Option, Reply, Score

GOLDEN = Path(__file__).parents[2].parent / "shared" / "reference" / "golden"

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


def score(scorer: str, text: str, instance: Instance) -> Score:
    return SCORERS[scorer].rule(Reply(text), instance)


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
    ("marker", "key"),
    [("(1)", "1"), ("(A)", "A"), ("（2）", "2"), ("3", "3"), ("A.", "A"), ("[B]", "B")],
)
def test_option_key(marker, key):
    assert Option(marker).key == key


def test_full_width_markers_in_the_prompt_make_no_difference():
    options = tuple(Option(f"（{key}）") for key in "123")
    instance = Instance("i", "zh", "en", "zh", "source", "target", "2", options)
    assert score("paper", "(2)", instance) == Score("2", True)
    assert score("paper", "（2）", instance) == Score("2", True)
    assert score("paper", "（1）", instance) == Score("1", False)


@pytest.mark.parametrize(
    ("gold", "text", "answer", "correct"),
    [
        ("A", "(A)", "A", RIGHT),
        ("A", " (a) yes", "A", RIGHT),  # upper-cased
        ("B", "(a) yes", "A", WRONG),
        ("B", "b", "B", RIGHT),
        ("B", "b\n", "B", RIGHT),
        ("B", "b.", None, WRONG),
        ("A", "(A) or (B)", None, WRONG),
        ("A", "(A), formerly (Z)", None, WRONG),  # Z is a letter, if no option
        ("Z", "(Z)", None, WRONG),  # and no answer
        ("A", "(A) (AB)", "A", RIGHT),
        ("A", "(A) (1)", "A", RIGHT),
        ("A", "（A）", None, WRONG),  # full-width parentheses stay
        ("A", "( A )", None, WRONG),
        ("A", "A man", None, WRONG),
        ("C", "(c)(C)", "C", RIGHT),
        ("A", "", None, WRONG),
    ],
)
def test_paper_scorer_with_letters(gold, text, answer, correct):
    instance = replace(QUESTIONS["letters"], gold=gold)
    assert score("paper", text, instance) == Score(answer, correct)


@pytest.mark.parametrize(
    ("options", "text", "answer"),
    [
        # Upper-casing and the twenty-six letters are of letters without labels alone.
        ([Option("(A)", "Yes"), Option("(B)", "No")], "(a)", None),
        ([Option("(A)", "Yes"), Option("(B)", "No")], "(A) (Z)", "A"),
        ([Option("(A)", "Yes"), Option("(B)")], "(a)", None),
        ([Option("(A)"), Option("(B)")], "(a)", "A"),
        ([Option("(A)"), Option("(2)")], "(a)", None),
        ([Option("(AB)"), Option("(BC)")], "(ab)", None),
        ([Option("(a)"), Option("(b)")], "(A)", None),
        ([Option("(a)"), Option("(b)")], "(a) (Z)", "a"),
        ([Option("(1)"), Option("(2)")], "(1) (A)", "1"),
        ([Option("(А)"), Option("(Б)")], "(а)", None),  # Cyrillic
    ],
)
def test_the_rule_of_paper_depends_on_the_options(options, text, answer):
    instance = replace(QUESTIONS["letters"], options=tuple(options), gold="?")
    assert score("paper", text, instance) == Score(answer, False)


@pytest.mark.parametrize("gold", ["", " ", "\n"])
@pytest.mark.parametrize("text", ["", " ", "Paris", "a\nb"])
def test_an_empty_gold_answer_is_never_right(gold, text):
    for name in ("paper", "exact_match", "f1", "contains_any"):
        assert not score(name, text, free(gold)).correct


@pytest.mark.parametrize(("name", "text", "of_paper", "of_option"), ANSWERS)
def test_the_table_of_answers(name, text, of_paper, of_option):
    for gold in keys(QUESTIONS[name]):
        instance = replace(QUESTIONS[name], gold=gold)
        assert score("paper", text, instance) == Score(of_paper, of_paper == gold)
        assert score("option", text, instance) == Score(of_option, of_option == gold)


def test_the_table_holds_enough_and_each_line_once():
    lines = [(name, text) for name, text, _, _ in ANSWERS]
    assert len(set(lines)) == len(lines) >= 200
    assert {name for name, _ in lines} == set(QUESTIONS)


@pytest.mark.parametrize(
    ("text", "finish", "answer"),
    [
        ("The answer is 1", "eos", "1"),
        ("The answer is 1", "length", None),  # of 12, or 1.5, perhaps
        ("The answer is 1.", "length", "1"),
        ("1", "length", "1"),  # max_new_tokens=1
        (" 1\n\n", "length", "1"),
        ("It is (2) and not 1", "length", "2"),
        ("It is (2) and not 1", "eos", None),
    ],
)
def test_a_bare_key_where_the_text_is_cut_off_is_not_read(text, finish, answer):
    reply = Reply(text, finish)
    assert SCORERS["option"].rule(reply, QUESTIONS["two"]).answer == answer


def test_invisible_characters_are_left_out():
    assert score("option", "\u200f(\u200e1\u200f)", QUESTIONS["ar"]).answer == "1"
    assert score("option", "Neu\u00adtral", QUESTIONS["en"]).answer == "2"


@pytest.mark.parametrize(
    "text",
    [
        *("<code>2</code>", '<div class="final">2</div>', "<answer>2</answer>", "<h2>2</h2>"),
        *("❷", "⓶", "➋", "②", "⑵", "፪", "᧒", "٢", "۲", "௨", "២", "၂", "༢"),
        *(
            "الإجابة هي ٢.",
            "답은 ２입니다",
            "答案：②",
            "คำตอบคือ ๒",
            "पिछला उत्तर: २।",
            "Ответ: \u20682\u2069.",
        ),
    ],
)
def test_a_key_in_any_dress_is_read(text):
    assert score("option", text, QUESTIONS["two"]).answer == "2"


def test_angle_brackets_are_brackets_still():
    assert score("option", "<2>", QUESTIONS["two"]).answer == "2"


def authors_verdict_on_letters(pred: str, gold: str) -> bool:
    """The published rule of GlobalOpinionQA once more: gold first, then every other letter."""

    def holds(letter: str) -> bool:
        return f"({letter})" in pred.upper() or pred.upper().strip() == letter

    return holds(gold) and not any(holds(other) for other in ascii_uppercase if other != gold)


def golden_texts():
    pairs = json.loads((GOLDEN / "pairs.json").read_text("utf-8"))
    for file in sorted(GOLDEN.glob("smol_*.json")):
        for row in json.loads(file.read_text("utf-8"))["rows"]:
            pair = pairs[row["instance"]]
            yield ("letters" if pair["task"] == "globalopinionqa" else pair["lang"]), row["text"]


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the authors' outputs are not beside the checkout")
def test_paper_scorer_is_the_published_rule_on_the_golden_texts():
    texts = list(golden_texts())
    assert len(texts) >= 200
    answers = set()
    for name, text in texts:
        for gold in keys(QUESTIONS[name]):
            verdict = score("paper", text, replace(QUESTIONS[name], gold=gold))
            answers.add(verdict.answer)
            expected = (
                authors_verdict_on_letters(text, gold)
                if name == "letters"
                else authors_verdict(text, gold, "123", LABELS[name])
            )
            assert verdict.correct == expected, text
    assert {"1", None} < answers  # both kinds occur


def test_each_distinct_reply_is_judged_once_and_verdicts_keep_their_order():
    judged = []

    def rule(reply, instance):
        judged.append((instance.id, reply.text))
        return Score(reply.text, reply.text == instance.gold)

    scorer = replace(SCORERS["paper"].scorer({}), rule=rule)
    one, two = replace(free("a"), id="1"), replace(free("b"), id="2")
    replies = [(one, "a"), (one, "b"), (one, "a"), (two, "b"), (two, "a"), (one, "b")]
    verdicts = judge(scorer, [(instance, Reply(text)) for instance, text in replies])
    assert [verdict.correct for verdict in verdicts] == [True, False, True, True, False, False]
    assert judged == [("1", "a"), ("1", "b"), ("2", "b"), ("2", "a")]


def test_statements_of_a_question_are_right_together_or_not_at_all():
    """Two questions of two statements, three replies each: the baseline's and two cells'."""
    truth = (Option("(A)", "True"), Option("(B)", "False"))
    statements = [
        Instance(name, "ja", "ja", "en", "s", "t", gold, options=truth, cluster=name[0])
        for name, gold in [("1-1", "A"), ("1-2", "B"), ("2-1", "B"), ("2-2", "B")]
    ]
    texts = ["(A) (A) (B)", "(B) (A) (B)", "(B) (B) (B)", "(B) (B) (A)"]
    replies = [
        (statement, Reply(text))
        for statement, of_cells in zip(statements, texts, strict=True)
        for text in of_cells.split()
    ]
    alone = judge(SCORERS["option"].scorer({}), replies)
    assert "".join("-+"[v.correct] for v in alone) == "++-+-++++++-"
    together = judge(SCORERS["statements"].scorer({}), replies)
    assert "".join("-+"[v.correct] for v in together) == "+--+--++-++-"
    assert [v.answer for v in together] == [v.answer for v in alone]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("paper", ["paper"]),
        (["option", "paper"], ["option", "paper"]),
        (["f1", "paper", "f1"], ["f1", "paper"]),
    ],
)
def test_scorers_of_a_setting(names, expected):
    assert [scorer.name for scorer in find_scorers(names)] == expected


NAMES = ", ".join(sorted(SCORERS))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("papers", f"unknown scorer 'papers'; allowed: {NAMES}; nearest match: paper"),
        (["paper", "F1"], f"unknown scorer 'F1'; allowed: {NAMES}; nearest match: f1"),
        (3, f"unknown scorer '3'; allowed: {NAMES}"),
        ([], f"no scorer given; allowed: {NAMES}"),
    ],
)
def test_unknown_scorers(names, message):
    with pytest.raises(ConfigError) as error:
        find_scorers(names)
    assert str(error.value) == message


def test_labels_are_names_and_versions():
    """A version must go up when a verdict changes: results carry it."""
    labels = {
        "paper": "paper-2",
        "option": "option-3",
        "statements": "statements-3",
        "exact_match": "exact_match-3",
        "f1": "f1-2",
        "contains_any": "contains_any-2",
        "logprob": "logprob-1",
        "opinion": "opinion-1",
    }
    assert {scorer.name: scorer.label for scorer in find_scorers([*labels])} == labels


@pytest.mark.parametrize("name", ["option", "logprob", "opinion"])
def test_scorers_of_options_refuse_free_answers(name):
    with pytest.raises(
        ConfigError, match=f"scorer {name} needs answer options, instance i \\(fr\\)"
    ):
        require_fit(find_scorers(name), [free("Paris")])


def test_only_opinion_needs_shares():
    asked = QUESTIONS["two"]
    require_fit(find_scorers(["paper", "option", "statements", "f1", "logprob"]), [asked])
    opinion = find_scorers("opinion")
    with pytest.raises(ConfigError, match="opinion needs the share of people who chose"):
        require_fit(opinion, [asked])
    for shares, fits in [((0.2, 0.8), True), ((0.0, 0.0), False), ((0.5, None), False)]:
        options = tuple(Option("(1)", share=share) for share in shares)
        if fits:
            require_fit(opinion, [replace(asked, options=options)])
            continue
        with pytest.raises(ConfigError):
            require_fit(opinion, [replace(asked, options=options)])
