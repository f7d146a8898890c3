"""Verdicts on many replies, and the check that a scorer can judge them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from xtransplant.errors import ConfigError
from xtransplant.scoring.registry import SCORERS
from xtransplant.scoring.scorer import Need, Scorer
from xtransplant.types import Instance, Reply, Score

WORDING: dict[Need, str] = {
    "options": "answer options",
    "shares": "the share of people who chose each option",
}


def require_fit(scorers: Sequence[Scorer], instances: Iterable[Instance]) -> None:
    """Check that instances have what the scorers need, before anything is generated.

    Raises:
        ConfigError: an instance lacks something; the message names scorers that fit it.
    """
    for instance in instances:
        for scorer in scorers:
            if not (lack := _lack(scorer.needs, instance)):
                continue
            fitting = [e.name for e in SCORERS.values() if not _lack(e.needs, instance)]
            raise ConfigError(
                f"scorer {scorer.name} needs {WORDING[lack]}, instance {instance.id} "
                f"({instance.language}) has none; scorers that fit it: {', '.join(fitting)}"
            )


def judge(scorer: Scorer, replies: Sequence[tuple[Instance, Reply]]) -> list[Score]:
    """Return a scorer's verdict on each reply.

    Many cells of a grid give the same text, so each distinct reply to an instance is judged only
    once.

    Args:
        scorer: scorer that judges.
        replies: pairs of instance and reply, with all instances of each cluster; the replies to
            each instance are in the same order of cells.

    Raises:
        DataError: option log-probabilities are needed but missing.
    """
    seen: dict[tuple[str, str, Reply], Score] = {}
    verdicts = []
    for instance, reply in replies:
        key = (instance.language, instance.id, reply)
        if key not in seen:
            seen[key] = scorer.rule(reply, instance)
        verdicts.append(seen[key])
    return _all_or_none(replies, verdicts) if scorer.by_cluster else verdicts


def _lack(need: Need | None, instance: Instance) -> Need | None:
    """Return which part of a need an instance lacks; None if it lacks nothing."""
    if need and not instance.options:
        return "options"
    return "shares" if need == "shares" and not _has_shares(instance) else None


def _has_shares(instance: Instance) -> bool:
    """Return whether each option has a share, and the shares can be scaled to sum to 1."""
    shares = [option.share for option in instance.options if option.share is not None]
    return len(shares) == len(instance.options) and min(shares) >= 0 < sum(shares)


def _all_or_none(
    replies: Sequence[tuple[Instance, Reply]], verdicts: Sequence[Score]
) -> list[Score]:
    """Make a verdict right only if the cell answers all instances of the cluster correctly."""
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
