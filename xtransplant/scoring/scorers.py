"""Reply to `Score`, pure: scorers know an instance's gold answer and options, no models, no files.

    scorer     what every scorer is, and what it may ask of an instance
    paper      the rules of the authors' released evaluation
    option     the option that a text names: marker, bare key or label, in any script
    words      exact match, F1 and containment over normalised words
    logprobs   the most likely option, and the likeness of opinions

A scorer's version goes up whenever a verdict can change; a run's parts carry it. docs/scoring.md
tells the rules to users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from xtransplant.errors import ConfigError, unknown
from xtransplant.scoring.logprobs import likeliest_option, opinion
from xtransplant.scoring.option import named_option
from xtransplant.scoring.paper import paper
from xtransplant.scoring.scorer import Scorer
from xtransplant.scoring.words import contains_any, exact_match, f1
from xtransplant.types import Instance, Reply, Score

SCORERS = {
    scorer.name: scorer
    for scorer in (
        Scorer("paper", 2, paper),
        Scorer("option", 3, named_option, needs="options"),
        Scorer("statements", 3, named_option, needs="options", by_cluster=True),
        Scorer("exact_match", 3, exact_match, reads_aliases=True),
        Scorer("f1", 2, f1, reads_aliases=True),
        Scorer("contains_any", 2, contains_any, reads_aliases=True),
        Scorer("logprob", 1, likeliest_option, needs="options"),
        Scorer("opinion", 1, opinion, needs="shares"),
    )
}
"""By name."""


def chosen(names: object) -> tuple[Scorer, ...]:
    """Return the scorers of a setting, which is one name or a list of them, each once.

    Raises:
        ConfigError: no scorer of that name, or none at all.
    """
    listed = [str(name) for name in names] if isinstance(names, list) else [str(names)]
    if not listed:
        raise ConfigError(f"no scorer given; allowed: {', '.join(sorted(SCORERS))}")
    for name in listed:
        if name not in SCORERS:
            raise ConfigError(unknown("scorer", name, SCORERS))
    return tuple(SCORERS[name] for name in dict.fromkeys(listed))


def require_fit(scorers: Sequence[Scorer], instances: Iterable[Instance]) -> None:
    """Check that instances have what scorers need, before anything is generated.

    Raises:
        ConfigError: the first that does not.
    """
    for instance in instances:
        for scorer in scorers:
            scorer.require(instance)


def judge(scorer: Scorer, replies: Sequence[tuple[Instance, Reply]]) -> list[Score]:
    """Return a scorer's verdict on each reply.

    The cells of a grid give the same text again and again, so each distinct reply to an instance
    is judged once.

    Args:
        scorer: the rule.
        replies: of all instances of some clusters; each instance's in the order of the same cells.

    Raises:
        DataError: option log-probabilities are needed and not there.
    """
    seen: dict[tuple[str, str, Reply], Score] = {}
    verdicts = []
    for instance, reply in replies:
        key = (instance.language, instance.id, reply)
        if key not in seen:
            seen[key] = scorer.rule(reply, instance)
        verdicts.append(seen[key])
    return _all_or_none(replies, verdicts) if scorer.by_cluster else verdicts


def _all_or_none(
    replies: Sequence[tuple[Instance, Reply]], verdicts: Sequence[Score]
) -> list[Score]:
    """Let a verdict be right only if those on all instances of the cluster are, cell by cell."""
    n_before: Counter[tuple[str, str]] = Counter()
    groups = []
    for instance, _ in replies:
        name = instance.language, instance.id
        groups.append((instance.language, instance.cluster or instance.id, n_before[name]))
        n_before[name] += 1
    wrong = {group for group, verdict in zip(groups, verdicts, strict=True) if not verdict.correct}
    return [
        replace(verdict, correct=group not in wrong)
        for group, verdict in zip(groups, verdicts, strict=True)
    ]


__all__ = ["SCORERS", "Reply", "Scorer", "chosen", "judge", "require_fit"]
