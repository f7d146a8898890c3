"""The `Scorer` class: a rule with its arguments, a name and a version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from math import isfinite
from typing import Any, Literal, get_type_hints

from xtransplant.calls import spell
from xtransplant.errors import ConfigError, unknown
from xtransplant.types import Instance, Reply, Score

Rule = Callable[[Reply, Instance], Score]
"""Function that returns the verdict on a reply to an instance."""

Need = Literal["options", "shares"]

WORDING = {str: "text in quotes", bool: "True or False", int: "an integer", float: "a number"}
"""Names of argument types in messages; arguments have no other types."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A rule that is ready to judge, with the names it has in files and in the configuration.

    Attributes:
        name: name in the configuration.
        version: number that increases whenever a verdict can change.
        rule: function of the reply and the instance that returns the verdict.
        needs: data that an instance must have: answer options, or options with shares of people.
        by_cluster: whether an answer is right only if the same cell answers all instances of the
            cluster correctly; for statements that form one question.
        reads_aliases: whether aliases count as right answers.
        arguments: (name, value) of arguments off their defaults, sorted by name.
    """

    name: str
    version: int
    rule: Rule
    needs: Need | None = None
    by_cluster: bool = False
    reads_aliases: bool = False
    arguments: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """Name in part files and of the folder of verdicts: "paper-2", "regex-1-5b0e2a9c".

        Arguments appear as the first 8 hexadecimal digits of the SHA-256 of their JSON, which are
        valid in folder names. Arguments at their defaults are left out, so an argument that is
        added to a scorer later does not change existing labels.
        """
        label = f"{self.name}-{self.version}"
        if not self.arguments:
            return label
        canonical = json.dumps(dict(self.arguments), sort_keys=True)
        return f"{label}-{hashlib.sha256(canonical.encode()).hexdigest()[:8]}"

    @property
    def setting(self) -> str:
        """What a user writes for this scorer: `paper`, `regex(pattern="a")`."""
        return spell(self.name, dict(self.arguments))


@dataclass(frozen=True, slots=True)
class ScorerEntry:
    """A line of the registry.

    Attributes:
        name: name in the configuration.
        version: number that increases whenever a verdict can change.
        rule: function of reply and instance; or, for a scorer with arguments, a frozen dataclass
            whose fields are the arguments (text, booleans and numbers) and whose instances are
            such functions. It raises ConfigError for arguments that it cannot use.
        needs: data that an instance must have, as in `Scorer`.
        by_cluster: whether verdicts are combined by cluster, as in `Scorer`.
        reads_aliases: whether aliases count, as in `Scorer`.
    """

    name: str
    version: int
    rule: Rule | type[Any]
    needs: Need | None = None
    by_cluster: bool = False
    reads_aliases: bool = False

    def __post_init__(self) -> None:
        """Check, at import, that each argument has a type that messages can name."""
        types = get_type_hints(self.rule).values() if isinstance(self.rule, type) else ()
        if odd := set(types) - set(WORDING):
            raise TypeError(f"scorer {self.name} has arguments of types {odd}; see WORDING")

    def scorer(self, arguments: Mapping[str, Any]) -> Scorer:
        """Return the scorer with these arguments.

        Raises:
            ConfigError: an argument is unknown, missing, of another type or unusable.
        """
        rule, given = self.rule, {}
        if isinstance(rule, type):
            self._check(rule, arguments)
            types = get_type_hints(rule)
            arguments = {  # 1 and 1.0 are the same value and must give the same label
                name: float(value) if types[name] is float else value
                for name, value in arguments.items()
            }
            rule = rule(**arguments)
            defaults = {field.name: field.default for field in fields(rule)}
            given = {
                name: value for name, value in arguments.items() if value != defaults.get(name)
            }
        elif arguments:
            raise ConfigError(
                f"scorer {self.name} takes no arguments; got {', '.join(map(str, arguments))}"
            )
        return Scorer(
            self.name,
            self.version,
            rule,
            self.needs,
            self.by_cluster,
            self.reads_aliases,
            tuple(sorted(given.items())),
        )

    def _check(self, rule: type[Any], arguments: Mapping[str, Any]) -> None:
        """Raise ConfigError unless the arguments fit the rule's fields."""
        types = get_type_hints(rule)
        for name, value in arguments.items():
            if name not in types:
                raise ConfigError(f"scorer {self.name}: {unknown('argument', str(name), types)}")
            is_whole = types[name] is float and type(value) is int
            is_bad = isinstance(value, float) and not isfinite(value)
            is_bad |= isinstance(value, str) and not _is_utf8(value)
            if is_bad or (type(value) is not types[name] and not is_whole):
                raise ConfigError(
                    f"bad value {value!r} for {name} of scorer {self.name}; allowed: "
                    f"{WORDING[types[name]]}"
                )
        for field in fields(rule):
            if field.default is MISSING and field.name not in arguments:
                raise ConfigError(
                    f"scorer {self.name} needs the argument {field.name}, "
                    f"{WORDING[types[field.name]]}: {self.name}({field.name}=…)"
                )


def _is_utf8(text: str) -> bool:
    """Return whether a text can be stored: a lone surrogate cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
