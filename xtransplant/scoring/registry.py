"""The table of all scorers, and the scorers that a setting selects.

A new scorer is a file in this room and a line in `SCORERS`; see docs/extending.md.
"""

from __future__ import annotations

from typing import Any

from xtransplant.calls import parse
from xtransplant.errors import ConfigError, unknown
from xtransplant.registry import by_name
from xtransplant.scoring.logprobs import likeliest_option, opinion
from xtransplant.scoring.option import named_option
from xtransplant.scoring.paper import paper
from xtransplant.scoring.regex import Regex
from xtransplant.scoring.scorer import Scorer, ScorerEntry
from xtransplant.scoring.words import contains_any, exact_match, f1

SCORERS = by_name(
    (
        ScorerEntry("paper", 2, paper),
        ScorerEntry("option", 3, named_option, needs="options"),
        ScorerEntry("statements", 3, named_option, needs="options", by_cluster=True),
        ScorerEntry("exact_match", 3, exact_match, reads_aliases=True),
        ScorerEntry("f1", 2, f1, reads_aliases=True),
        ScorerEntry("contains_any", 2, contains_any, reads_aliases=True),
        ScorerEntry("regex", 1, Regex, reads_aliases=True),
        ScorerEntry("logprob", 1, likeliest_option, needs="options"),
        ScorerEntry("opinion", 1, opinion, needs="shares"),
    )
)
"""Scorers by name."""


def find_scorers(setting: object) -> tuple[Scorer, ...]:
    """Return the scorers that a setting selects, each once.

    Args:
        setting: scorer or list of scorers; each is a name (`option`), a call
            (`regex(pattern="a")`) or a mapping (`{"name": "regex", "pattern": "a"}`).

    Raises:
        ConfigError: the list is empty, a name is unknown, or a scorer does not take an argument.
    """
    listed = setting if isinstance(setting, list) else [setting]
    if not listed:
        raise ConfigError(f"no scorer given; allowed: {', '.join(sorted(SCORERS))}")
    found = (_find(each) for each in listed)
    return tuple({scorer.label: scorer for scorer in found}.values())


def _find(setting: object) -> Scorer:
    name, arguments = _name_and_arguments(setting)
    if name not in SCORERS:
        raise ConfigError(unknown("scorer", name, SCORERS))
    return SCORERS[name].scorer(arguments)


def _name_and_arguments(setting: object) -> tuple[str, dict[str, Any]]:
    if not isinstance(setting, dict):
        return parse(str(setting))
    if "name" not in setting:
        raise ConfigError(
            f"scorer {setting!r} has no name; allowed: {{name: NAME, ARGUMENT: VALUE, …}}, where "
            f"NAME is one of {', '.join(sorted(SCORERS))}"
        )
    return str(setting["name"]), {k: value for k, value in setting.items() if k != "name"}


def names_that_read_aliases() -> list[str]:
    """Return the names of the scorers that accept aliases as right answers."""
    return [name for name, entry in SCORERS.items() if entry.reads_aliases]
