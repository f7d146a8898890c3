"""The option that a text names, by a more careful rule than the authors'.

The text is normalised first. Compatibility characters (full-width, circled) become plain ones by
NFKC, and digits of every script become ASCII. Invisible format characters, the frames of keycaps
(1\ufe0f\u20e3) and the marks of Markdown, LaTeX and HTML are removed, except for characters that
are keys themselves. An option is named by

its marker   its key in brackets or quotation marks of any kind, in either case: (2) [２] 「٢」 "b";
its label    as a whole word, in either case. Longer labels are searched first and masked, so that
             "Not acceptable" is not also "Acceptable";
its key      bare, as printed: alone on a line; at the start of a line or after a colon, if
             punctuation or a dash follows ("B. No", "Answer: 2"); or as the last word of a
             sentence, before a final "is" in languages whose verb comes last ("答えはBです"). A key
             does not count in a number or an abbreviation (1.5, 3:30, -1, D.C.), at the end of a
             text that was cut off, or if another bare key occurs. A key that begins a sentence as a
             word ("A dog is an animal.") is not such another key.

If exactly one option is named, it is the answer; none (a refusal) or several give no answer. A
label next to characters of a script without spaces counts, because such scripts do not mark the
ends of words. A negated label counts, because the rule knows no grammar.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from xtransplant.scoring.words import WITHOUT_SPACES, ascii_digit
from xtransplant.types import Instance, Option, Reply, Score

OPENING = "(\\[{<«‹“„”‘’\"'「『【〔《〈"
CLOSING = ")\\]}>»›”“’‘\"'」』】〕》〉"
PAUSES = ".,:;!?)\\]。、،؛؟।۔"
"""Punctuation that may follow a bare key at the start of a line; NFKC made full-width forms ASCII.
"""

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: format characters that are part of words."""

KEYCAP = "\ufe0f\u20e3"
MARKUP = re.compile(
    r"\\(?=[()\[\]{}$])|\\(?:text|mathrm|mathbf|textbf|boxed)(?=\{)|"
    r"</?(?:b|i|u|em|strong|mark|p|br|span|div|code|pre|answer|li|td|h[1-6])(?:\s[^<>\n]*)?/?>"
)
"""LaTeX commands and HTML tags that may surround a key."""
MARKS = "*`$~"
"""Single characters with which Markdown and LaTeX surround a key."""
UNDERSCORES = re.compile(r"(?<!\w)(_{1,2})([^\s_]|[^\s_][^_\n]*[^\s_])\1(?!\w)")
"""Markdown emphasis by underscores; other underscores are parts of words."""

WORDS_OF_ONE_LETTER = {
    "en": "A I",
    "es": "A E O Y U",
    "fr": "A Y",
    "hu": "A",
    "it": "A E I O",
    "pt": "A E O",
    "ro": "A O",
    "sw": "A",
}
"""Words that look like keys and may begin a sentence, by language."""
OF_A_KEY = frozenset(
    [
        *("is", "isn't", "are", "was", "were", "has", "seems", "would", "could", "should", "might"),
        *("may", "must", "or", "and", "nor", "but", "if", "as", "because", "since", "vs"),
        *("ou", "et", "est", "o", "y", "u", "e", "é", "es", "è", "sau", "si", "și", "vagy", "és"),
        *("au", "na", "ni"),
    ]
)
"""Words after a key in a sentence about the key: "A is wrong", "A or B"."""
WORD_FOLLOWS = re.compile(r"[ \t]+([^\W\d_][\w'’-]*)")
SENTENCE_BEGINS = re.compile(r"(?:^|\n|[.!?:;。।۔؟][\"'”’)\]]*\s)\s*$")
REST_OF_SENTENCE = re.compile(r"[^.!?。।۔؟\n]*")

IS = (
    *("です", "だ", "である", "でした", "になります", "となります"),
    *("입니다", "이다", "이에요", "예요", "이야", "번", "번입니다", "번이다", "번이에요"),
    *("है", "हैं", "आहे", "हो", "ہے", "ہیں", "ਹੈ", "છે", "است", "دی", "ആണ്", "ஆகும்", "ነው"),
    "['’][dt][ıiuü]r",
)
"""Patterns of words ("is") between a key and the end of a sentence whose verb comes last."""
KOREAN_IS = re.compile(r"(?<=[0-9A-Za-z])(?=번|입니다|이다|이에요|예요|이야)")
"""Position between a key and a Korean word for "is" that follows without a space."""

LEADS = re.compile(r"(?:^|\n|:)\s*$")
PAUSE_FOLLOWS = re.compile(rf"[ \t]*\n|[{PAUSES}]+(?!\w)|\s+[-–—]\s")
SENTENCE_ENDS = re.compile(r"[.!?。।۔؟]+(?:\s|$)")
IS_FOLLOWS = re.compile(rf"\s*(?:{'|'.join(IS)})\s*(?:$|[.!?。।۔؟\n])")
PART_BEFORE = re.compile(rf"\d[,:/]$|\w\.$|[-−{OPENING}]$")
"""Text before a key that is part of a number, an abbreviation or an unclosed bracket."""
PART_AFTER = re.compile(r"[,:/−-]\d|\.\w")
"""Text after a key that is part of a number or an abbreviation."""

MASK = "\0"


def named_option(reply: Reply, instance: Instance) -> Score:
    """Return the only option that the text names; right if it is the gold option."""
    printed = "".join(option.key for option in instance.options)
    text = _plain(reply.text, kept=printed)
    folded = _folded(text)
    keys = [_plain(option.key, kept=printed) for option in instance.options]
    labelled = _labelled(folded, instance.options)
    clear = [
        number in labelled or _has_marker(folded, _folded(key)) for number, key in enumerate(keys)
    ]
    named = [
        is_clear or _stands_bare(text, key, cut=reply.finish == "length")
        for is_clear, key in zip(clear, keys, strict=True)
    ]
    language = instance.target_language.partition("-")[0]
    if sum(named) != 1 or not (any(clear) or _is_only_key(text, keys, language)):
        return Score(None, correct=False)
    answer = instance.options[named.index(True)].key
    return Score(answer, answer == instance.gold)


def _plain(text: str, kept: str = "") -> str:
    """Return a normalised text; marks and keycaps that are in `kept` are not removed."""
    dropped = set(MARKS + KEYCAP) - set(kept)
    characters = []
    composed = UNDERSCORES.sub(r"\2", MARKUP.sub("", unicodedata.normalize("NFKC", text)))
    for character in composed:
        category = unicodedata.category(character)
        if (category != "Cf" or character in JOINERS) and character not in dropped:
            characters.append(ascii_digit(character))
    return KOREAN_IS.sub(" ", "".join(characters))


def _folded(text: str) -> str:
    """Return text without case; the Turkish dotted and dotless i become the same letter."""
    return text.casefold().replace("i\u0307", "i").replace("ı", "i")


def _has_marker(folded: str, key: str) -> bool:
    if key and folded.strip(" \t\n.,:;!?)]。") == key:  # the key alone, in either case
        return True
    if not key:
        return False
    return bool(re.search(rf"[{OPENING}]\s*{re.escape(key)}\s*[{CLOSING}]", folded))


def _labelled(folded: str, options: tuple[Option, ...]) -> set[int]:
    """Return the positions of the options whose labels occur in the text."""
    text = " ".join(folded.split())
    labels = [(_label(option), number) for number, option in enumerate(options)]
    found = set()
    for label in sorted({label for label, _ in labels if label}, key=len, reverse=True):
        for start in _whole_words(text, label):
            text = text[:start] + MASK * len(label) + text[start + len(label) :]
            found |= {number for same, number in labels if same == label}
    return found


def _label(option: Option) -> str:
    """Return the folded label without the marker that some label files begin with."""
    label = _folded(_plain(option.label or ""))
    key = re.escape(_folded(_plain(option.key)))
    return " ".join(re.sub(rf"^\s*[{OPENING}]\s*{key}\s*[{CLOSING}]", "", label).split())


def _stands_bare(text: str, key: str, *, cut: bool) -> bool:
    if not any(character.isalnum() for character in key):  # "?" is punctuation without brackets
        return False
    for start in _alone(text, key):
        before, after = text[:start], text[start + len(key) :]
        at_end = not after.strip() and not cut
        if at_end or SENTENCE_ENDS.match(after) or IS_FOLLOWS.match(after):
            return True
        if LEADS.search(before) and PAUSE_FOLLOWS.match(after):
            return True
    return False


def _is_only_key(text: str, keys: Sequence[str], language: str) -> bool:
    return sum(_stands_as_key(text, key, keys, language) for key in keys) <= 1


def _stands_as_key(text: str, key: str, keys: Sequence[str], language: str) -> bool:
    """Return whether a key occurs in the text other than as a word of the language."""
    may_be_word = key in WORDS_OF_ONE_LETTER.get(language, "").split()
    return any(
        not (may_be_word and _is_word(text[:start], text[start + len(key) :], keys))
        for start in _alone(text, key)
    )


def _is_word(before: str, after: str, keys: Sequence[str]) -> bool:
    """Return whether the key between two texts begins a sentence that is not about keys."""
    following = WORD_FOLLOWS.match(after)
    if following is None or not SENTENCE_BEGINS.search(before):
        return False
    word, rest = following[1], REST_OF_SENTENCE.match(after)
    if not word[0].islower() or word.replace("’", "'") in OF_A_KEY or rest is None:
        return False
    return not any(next(_alone(rest[0], other), None) is not None for other in keys)


def _alone(text: str, key: str) -> Iterator[int]:
    """Yield each position at which a key is a whole word and not part of a number."""
    for start in _whole_words(text, key):
        end = start + len(key)
        if not (PART_BEFORE.search(text[:start][-2:]) or PART_AFTER.match(text[end : end + 2])):
            yield start


def _whole_words(text: str, word: str) -> Iterator[int]:
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_joins(text[start - 1 : start], before=True) or _joins(text[end : end + 1])):
            yield start
        start = text.find(word, start + 1)


def _joins(neighbour: str, *, before: bool = False) -> bool:
    """Return whether a neighbouring character belongs to the same word."""
    if not neighbour:
        return False
    if unicodedata.category(neighbour).startswith("M"):  # a sign of the letter before
        return not (before and WITHOUT_SPACES.match(neighbour))
    if WITHOUT_SPACES.match(neighbour):
        return False
    return neighbour.isalnum() or neighbour == "_" or neighbour in JOINERS
