"""The rules of the authors' released evaluation (github YYF-Tommy/XTransplant, `evaluation/`).

The rule depends on the instance:

numbered options   XNLI (with labels), XCOPA (without). Full-width parentheses of the text become
                   ASCII. An option is indicated if the text contains its marker "(k)", is exactly
                   "k", or contains its label unchanged. Right if only the gold option is indicated.
letters            GlobalOpinionQA: markers (A), (B), … without labels. The text is upper-cased;
                   parentheses are unchanged. A letter is indicated if the text contains "(A)" or is
                   exactly "A". Right if, of all letters from A to Z, only the gold one is
                   indicated. A letter that is not an option of the question counts, too.
free answers       XQuAD. Right if the text contains the gold answer, both lower-cased.

"Is exactly" ignores white space at both ends: the authors compare `pred.strip()` of a text without
special tokens, because after "my answer would be:" a model continues with a space. Every text
contains an empty gold answer; the authors' data have none, and here it is never right.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase

from xtransplant.types import ASCII_PARENTHESES, Instance, Reply, Score

LETTERS = tuple(ascii_uppercase)


def paper(reply: Reply, instance: Instance) -> Score:
    """Judge a reply as the authors' code does."""
    if not instance.options:
        return _free(reply.text, instance.gold)
    labels = {option.key: option.label for option in instance.options}
    # The authors check that the gold option is indicated and that no other is. Both checks use the
    # same rule, so it suffices here that exactly one option is indicated.
    if all(key in LETTERS and label is None for key, label in labels.items()):
        indicated = _indicated(reply.text.upper(), dict.fromkeys(LETTERS))
    else:
        indicated = _indicated(reply.text.translate(ASCII_PARENTHESES), labels)
    answer = indicated[0] if len(indicated) == 1 and indicated[0] in labels else None
    return Score(answer, answer is not None and answer == instance.gold)


def _indicated(text: str, labels: Mapping[str, str | None]) -> list[str]:
    bare = text.strip()
    return [
        key
        for key, label in labels.items()
        if f"({key})" in text or bare == key or (label is not None and label in text)
    ]


def _free(text: str, gold: str) -> Score:
    # The rule extracts nothing from a free answer, so the answer is the whole compared text.
    lowered = text.lower()
    return Score(lowered.strip() or None, bool(gold.strip()) and gold.lower() in lowered)
