"""Exact match, F1 and containment over the words of an answer, normalised for its language.

First, spelling is unified: compatibility characters and decomposed letters become composed plain
ones (NFKC), digits of every script become ASCII, invisible characters are removed, and letters
become lower case by the rule of the language (Turkish "I" becomes "ı").

The rest is the normalisation of SQuAD's and MLQA's evaluation scripts. Punctuation (Unicode
categories P*, and the ASCII symbols that SQuAD counts as such) and articles are removed, words are
split at white space, and each character of a script without spaces is a word. The articles of en,
es, de, vi and ar are MLQA's (in Arabic, "ال" is removed everywhere); those of nl, sv, da, no, pt
and hu are from MKQA's script. In fr and it, whole and elided articles are removed; in el, ro and
tr, which neither script covers, articles that are separate words. In other languages, none is.

Two rules differ, for answers of which nothing would be left: an answer that consists of articles
keeps them, so that "A" can be an answer, and an empty gold answer is never matched.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

from xtransplant.types import Instance, Reply, Score

F1_OF_A_RIGHT_ANSWER = 0.5
"""Minimum F1 of an answer that `f1` counts as right; `value` holds the F1 itself."""

ARTICLES = {
    "da": "en et",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "el": "ο η το οι τα του της των τον την τους τις ένας μία μια ένα έναν ενός μιας",
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "fr": "le la les du de des un une",
    "hu": "a az egy",
    "it": "il lo la i gli le del dello della dei degli delle uno una un",
    "nl": "de het een des der den",
    "no": "en et ei",
    "pt": "o a os as um uma uns umas",
    "ro": "un o unui unei unor niște nişte",
    "sv": "en ett",
    "tr": "bir",
    "vi": "của là cái chiếc những",
}
"""Articles that are separate words, by language."""

ELIDED = {"fr": "l d", "it": "l un dell degl"}
"""Articles joined to the next word by an apostrophe, by language."""

DOTLESS = ("az", "crh", "gag", "tr")
"""Languages in which the capital of "ı" is "I" and the capital of "i" is "İ"."""

TATWEEL = "\u0640"
"""Character that stretches an Arabic word and has no meaning."""

UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Invisible characters that are not format characters (category Cf)."""

APOSTROPHES = str.maketrans(dict.fromkeys("\u02bb\u02bc\u02b9\u02c8", "'"))
"""Letters that look like apostrophes and are used as such, as in Ukrainian and Uzbek."""

JOINED = {
    "\u09a4\u09cd\u200d": "\u09ce",
    **{
        f"{letter}\u0d4d\u200d": chillu
        for letter, chillu in zip("\u0d23\u0d28\u0d30\u0d32\u0d33\u0d15", "ൺൻർൽൾൿ", strict=True)
    },
}
"""Letters spelled with a joiner, and their own code points (Bengali, Malayalam)."""

WITHOUT_SPACES = re.compile(
    "["
    "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u3041-\u30ff"  # kana
    "\u0e01-\u0e7f\u0e81-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "]"
)
"""A character of a script without spaces between words."""


def exact_match(reply: Reply, instance: Instance) -> Score:
    """Judge an answer right if its words are those of the gold answer or an alias, in order."""
    words = normalised(reply.text, instance.target_language)
    return Score(joined(words), bool(words) and words in golds_of(instance))


def f1(reply: Reply, instance: Instance) -> Score:
    """Return the best F1 over gold answer and aliases as `value`; right from 0.5 up."""
    words = normalised(reply.text, instance.target_language)
    value = max(_f1(words, gold) for gold in golds_of(instance))
    return Score(joined(words), value >= F1_OF_A_RIGHT_ANSWER, value)


def contains_any(reply: Reply, instance: Instance) -> Score:
    """Judge an answer right if it contains the words of the gold answer or of an alias in a row."""
    words = normalised(reply.text, instance.target_language)
    right = any(gold and _is_within(gold, words) for gold in golds_of(instance))
    return Score(joined(words), right)


def normalised(text: str, language: str) -> list[str]:
    """Return the normalised words of a text, which scorers compare.

    Args:
        text: any text.
        language: code of its language; only the part before a hyphen matters ("zh-CN").
    """
    code = language.partition("-")[0]
    lowered = _lower(_one_form(text), code)
    words = _words(lowered)
    kept = _words(_without_elided(code)(lowered))
    if code == "ar":  # the article is a prefix; MLQA replaces it by a space
        kept = " ".join(kept).replace("ال", " ").split()
    articles = ARTICLES.get(code, "").split()
    return [word for word in kept if word not in articles] or words


def _one_form(text: str) -> str:
    """Return a text without differences of spelling that a reader cannot see."""
    text = unicodedata.normalize("NFKC", UNSEEN.sub("", text)).translate(APOSTROPHES)
    for spelling, letter in JOINED.items():
        text = text.replace(spelling, letter)
    characters = [
        ascii_digit(character)
        for character in text
        if unicodedata.category(character) != "Cf" and character != TATWEEL
    ]
    # Again, because a removed character may have kept two letters from being composed.
    return unicodedata.normalize("NFKC", "".join(characters))


def ascii_digit(character: str) -> str:
    """Return a digit of any script, or in a circle, as ASCII; other characters unchanged."""
    value = unicodedata.digit(character, None)
    return character if value is None else str(value)


def _lower(text: str, code: str) -> str:
    if code in DOTLESS:
        text = text.replace("I", "ı").replace("İ", "i")
    return text.lower().replace("i\u0307", "i")


def _words(lowered: str) -> list[str]:
    plain = "".join(character for character in lowered if not _is_punctuation(character))
    return WITHOUT_SPACES.sub(r" \g<0> ", plain).split()


@cache
def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


@cache
def _without_elided(code: str) -> Callable[[str], str]:
    if code not in ELIDED:
        return lambda text: text
    pattern = re.compile(rf"\b({ELIDED[code].replace(' ', '|')})['’]")
    return lambda text: pattern.sub("", text)


def golds_of(instance: Instance) -> list[list[str]]:
    """Return the normalised words of the gold answer and of each alias."""
    return [
        normalised(gold, instance.target_language) for gold in (instance.gold, *instance.aliases)
    ]


def joined(words: Sequence[str]) -> str | None:
    """Return words as an answer; None if there are no words."""
    return " ".join(words) or None


def _f1(words: Sequence[str], gold: Sequence[str]) -> float:
    """Return the harmonic mean of precision and recall over two bags of words."""
    common = sum((Counter(words) & Counter(gold)).values())
    return 2 * common / (len(words) + len(gold)) if common else 0.0


def _is_within(gold: Sequence[str], words: Sequence[str]) -> bool:
    starts = range(len(words) - len(gold) + 1)
    return any(list(words[start : start + len(gold)]) == list(gold) for start in starts)
