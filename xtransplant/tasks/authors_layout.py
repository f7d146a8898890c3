"""The places of the files in the authors' release, by task."""

from __future__ import annotations

import re
from dataclasses import dataclass

MARKERS = ("({})", "（{}）")
"""Forms of an option's marker in a prompt: ASCII, or full-width as in Chinese text."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of a task.

    Attributes:
        folder: first part of the folder's name, and name of its parent in the release.
        file: name of a file, without its suffix.
        prompts: sub-folder of the prompts in language X.
        english: sub-folder of English prompts made for each language X; None if the pivot has a
            file among `prompts` like every other language.
        keys: option keys in the order of the prompt; empty for free answers.
        labels: whether `ans_lang` holds the options' texts.
        opinions: whether English prompts are objects with the options' shares.
        cluster: pattern whose group 1 matches, in the English prompt, the text that several rows
            share: a premise (XNLI), a passage (XQuAD), or a question that was asked in several
            countries (GlobalOpinionQA). None if rows share nothing.
    """

    folder: str
    file: str = "{language}"
    prompts: str = "split"
    english: str | None = None
    keys: tuple[str, ...] = ()
    labels: bool = False
    opinions: bool = False
    cluster: re.Pattern[str] | None = None


LAYOUTS = {
    "xnli": Layout(
        "XNLI",
        keys=("1", "2", "3"),
        labels=True,
        cluster=re.compile(r"^Premise: (.*?)\nHypothesis: ", re.MULTILINE | re.DOTALL),
    ),
    "xquad": Layout(
        "XQuAD",
        file="xquad.{language}",
        cluster=re.compile(r"^Context: (.*)\nQuestion: ", re.MULTILINE | re.DOTALL),
    ),
    "xcopa": Layout("XCOPA", english="en", keys=("1", "2")),
    "globalopinionqa": Layout(
        "GlobalOpinionQA",
        prompts="translated",
        english="split",
        opinions=True,
        cluster=re.compile(r"the following question:\n(.*)\nHere are the options:\n", re.DOTALL),
    ),
}
"""Layouts by name of the task."""
