"""What a scorer is: a rule with its arguments, under a name and a version."""

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
"""From a reply and the instance it answers to the verdict."""

Need = Literal["options", "shares"]

WORDING = {str: "text in quotes", bool: "True or False", int: "an integer", float: "a number"}
"""How the type of an argument is told to a user; arguments have these types alone."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A rule that is ready to judge; everything that names it is derived here.

    Attributes:
        name: as in the configuration.
        version: goes up whenever a verdict can change.
        rule: from a reply and the instance it answers to the verdict.
        needs: what an instance must have: answer options, or options with shares of people.
        by_cluster: an answer is right only if those to all instances of its cluster are, with the
            same cell; for statements that form one question.
        reads_aliases: whether further right answers count.
        arguments: those off their defaults, by name, in the order of the names.
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

        Arguments are told apart by the first 8 hexadecimal digits of the SHA-256 of their JSON,
        so that any of them make a folder name. Defaults are left out: an argument that is added to
        a scorer later changes no label.
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
        name: as in the configuration.
        version: goes up whenever a verdict can change.
        rule: a function of reply and instance; or, for a scorer with arguments, a frozen dataclass
            whose fields are the arguments (text, truth values and numbers) and whose instances are
            such functions. It raises ConfigError for arguments that it cannot work with.
        needs, by_cluster, reads_aliases: as in `Scorer`.
    """

    name: str
    version: int
    rule: Rule | type[Any]
    needs: Need | None = None
    by_cluster: bool = False
    reads_aliases: bool = False

    def __post_init__(self) -> None:
        """Check, at import, that each argument has a type that users can be told of."""
        types = get_type_hints(self.rule).values() if isinstance(self.rule, type) else ()
        if odd := set(types) - set(WORDING):
            raise TypeError(f"scorer {self.name} has arguments of types {odd}; see WORDING")

    def scorer(self, arguments: Mapping[str, Any]) -> Scorer:
        """Return the scorer with these arguments.

        Raises:
            ConfigError: an argument that is unknown, missing, of another type or no use.
        """
        rule, given = self.rule, {}
        if isinstance(rule, type):
            self._check(rule, arguments)
            types = get_type_hints(rule)
            arguments = {  # 1 and 1.0 are one argument, and have one label
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
        """Raise ConfigError unless the arguments are those of the rule's fields."""
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
