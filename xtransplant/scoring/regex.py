"""The answer that a regular expression finds, compared as words are."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cached_property

from xtransplant.errors import ConfigError
from xtransplant.scoring.words import golds_of, joined, normalised
from xtransplant.types import Instance, Reply, Score

CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What Python makes of a lone "\\b" or "\\1"; no pattern is meant to hold one."""


@dataclass(frozen=True)
class Regex:
    r"""Search the text for a pattern; its first group, or else the whole match, is the answer.

    The first match counts. Answer, gold answer and aliases are normalised as for `exact_match` and
    compared. Where the instance has options, the answer is the key of the option it equals.

    Attributes:
        pattern: in the notation of Python's `re`, such as r"answer is (\w+)".
        ignore_case: whether upper and lower case match each other.
    """

    pattern: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        """Check the pattern, or raise ConfigError."""
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
                f"pattern {self.pattern!r} of scorer regex finds nothing in any text; give one "
                r'such as pattern=r"answer is (\w+)"'
            )

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of notations that Python may give another meaning
            return re.compile(self.pattern, re.IGNORECASE if self.ignore_case else 0)

    def __call__(self, reply: Reply, instance: Instance) -> Score:
        """Return the verdict on a reply; no match, or an empty one, is no answer."""
        match = self._compiled.search(reply.text)
        found = (match[1] if self._compiled.groups else match[0]) if match else None
        language = instance.target_language
        words = normalised(found or "", language)
        right = bool(words) and words in golds_of(instance)
        if not instance.options:
            return Score(joined(words), right)
        keys = [o.key for o in instance.options if words and normalised(o.key, language) == words]
        return Score(keys[0] if keys else None, right)
