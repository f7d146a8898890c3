"""The answer that a regular expression finds, compared word by word."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cached_property

from xtransplant.errors import ConfigError
from xtransplant.scoring.words import golds_of, joined, normalised
from xtransplant.types import Instance, Reply, Score

CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""Characters that Python reads from "\\b" or "\\1" in a plain string; never meant in a pattern."""


@dataclass(frozen=True)
class Regex:
    r"""Search the text for a pattern; the answer is the first group, or the match if it has none.

    Only the first match counts. The answer is right if it equals the gold answer or an alias, all
    normalised as for `exact_match`. If the instance has options, the reported answer is the key of
    the option that it equals.

    Attributes:
        pattern: regular expression in the syntax of Python's `re`, such as r"answer is (\w+)".
        ignore_case: whether upper and lower case match each other.
    """

    pattern: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        """Check the pattern; raise ConfigError if it cannot be used."""
        if found := CONTROL_CHARACTER.search(self.pattern):
            raise ConfigError(
                f"pattern {self.pattern!r} of scorer regex holds the control character "
                f'{found[0]!r}; write backslashes as in pattern=r"\\bword" or pattern="\\\\bword"'
            )
        try:
            _ = self._compiled
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(
                f"pattern {self.pattern!r} of scorer regex is not a valid regular expression: "
                f"{error}"
            ) from error
        if not self.pattern.strip("()"):
            raise ConfigError(
                f"pattern {self.pattern!r} of scorer regex never finds an answer; give one "
                r'such as pattern=r"answer is (\w+)"'
            )

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about syntax that Python may change
            return re.compile(self.pattern, re.IGNORECASE if self.ignore_case else 0)

    def __call__(self, reply: Reply, instance: Instance) -> Score:
        """Return the verdict on a reply; without a match, or with an empty one, no answer."""
        match = self._compiled.search(reply.text)
        found = (match[1] if self._compiled.groups else match[0]) if match else None
        language = instance.target_language
        words = normalised(found or "", language)
        right = bool(words) and words in golds_of(instance)
        if not instance.options:
            return Score(joined(words), right)
        keys = [o.key for o in instance.options if words and normalised(o.key, language) == words]
        return Score(keys[0] if keys else None, right)
