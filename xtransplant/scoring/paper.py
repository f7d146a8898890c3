"""The rules of the authors' released evaluation (github YYF-Tommy/XTransplant, `evaluation/`).

Which rule holds depends on the instance:

numbered options   XNLI (with labels), XCOPA (without). Full-width parentheses of the text become
                   ASCII. An option is indicated if the text holds its marker "(k)", is exactly
                   "k", or holds its label as it stands. Right if the gold option alone is.
letters            GlobalOpinionQA: markers (A), (B), … without labels. The text is upper-cased,
                   parentheses stay. A letter is indicated if the text holds "(A)" or is exactly
                   "A". Right if the gold letter alone is, of all letters from A to Z: one that is
                   no option of the question spoils the answer as well.
free answers       XQuAD. Right if the text holds the gold answer, both lower-cased.

"Is exactly" leaves white space aside at both ends: the authors compare `pred.strip()`, of a text
without special tokens, and after "my answer would be:" a model goes on with a space. An empty gold
answer is in every text; the authors' data have none, and here none is ever right.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_uppercase

from xtransplant.types import ASCII_PARENTHESES, Instance, Reply, Score

LETTERS = tuple(ascii_uppercase)


def paper(reply: Reply, instance: Instance) -> Score:
    """Judge as the authors' code does."""
    if not instance.options:
        return _free(reply.text, instance.gold)
    labels = {option.key: option.label for option in instance.options}
    # The authors ask for the gold option and then for no other one. Since "is indicated" means
    # the same for both, that is: the gold option alone.
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
    # Nothing is read out of a free answer, so the answer is the text as the rule compares it.
    lowered = text.lower()
    return Score(lowered.strip() or None, bool(gold.strip()) and gold.lower() in lowered)
