"""Text to `Score`, pure: it knows an instance's gold answer and options, no models, no files.

A scorer's version goes up whenever a verdict can change, and is part of the run key. Two rules:

`paper`        the rule of the authors' released evaluation (github YYF-Tommy/XTransplant,
               UpperBound/evaluation), per kind of answer:
               options (XNLI with labels, XCOPA without): full-width parentheses of the text become
               ASCII; an option is indicated if the text holds its marker "(k)", is exactly "k", or
               holds its label as it stands; right if the gold option alone is indicated;
               free answers (XQuAD): right if the text holds the gold answer, both lower-cased.
`exact_match`  right if text and gold are equal after casefolding and without the whitespace and
               punctuation around them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from xtransplant.errors import ConfigError, unknown
from xtransplant.types import Instance, Option, Score

TO_ASCII = str.maketrans("（）", "()")


@dataclass(frozen=True, slots=True)
class Scorer:
    """A named rule and its version."""

    name: str
    version: int
    function: Callable[[str, Instance], Score]


def score(scorer: str, text: str, instance: Instance) -> Score:
    """Judge a generated text by one of `SCORERS`.

    Raises:
        ConfigError: no scorer of that name.
    """
    if scorer not in SCORERS:
        raise ConfigError(unknown("scorer", scorer, SCORERS))
    return SCORERS[scorer].function(text, instance)


def option_key(option: Option) -> str:
    """Return the bare key of an option: "1" of "(1)"."""
    return option.marker.translate(TO_ASCII).strip("()")


def _paper(text: str, instance: Instance) -> Score:
    if not instance.options:
        return _paper_free(text, instance.gold)
    text = text.translate(TO_ASCII)
    # The authors ask for the gold option and then for no other one. Since "is indicated" means
    # the same for both, that is: the gold option alone.
    indicated = [option_key(option) for option in instance.options if _indicates(text, option)]
    answer = indicated[0] if len(indicated) == 1 else None
    return Score(answer, answer == instance.gold)


def _indicates(text: str, option: Option) -> bool:
    key = option_key(option)
    # "Exactly k" allows whitespace around it: the authors compare `pred.strip()`. Texts such as
    # " 1" or "1\n" are how a model answers after "my answer would be:".
    bare = text.strip() == key
    return f"({key})" in text or bare or (option.label is not None and option.label in text)


def _paper_free(text: str, gold: str) -> Score:
    # Nothing is read out of a free answer, so the answer is the text as the rule compares it.
    lowered = text.lower()
    return Score(lowered.strip() or None, gold.lower() in lowered)


def _exact_match(text: str, instance: Instance) -> Score:
    answer = _bare(text)
    return Score(answer or None, answer != "" and answer == _bare(instance.gold))


def _bare(text: str) -> str:
    """Casefold, and cut whitespace and punctuation (Unicode categories P*) from both ends."""
    kept = [index for index, character in enumerate(text) if not _is_edge(character)]
    return text[kept[0] : kept[-1] + 1].casefold() if kept else ""


def _is_edge(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("P")


SCORERS = {
    scorer.name: scorer
    for scorer in (Scorer("paper", 1, _paper), Scorer("exact_match", 1, _exact_match))
}
