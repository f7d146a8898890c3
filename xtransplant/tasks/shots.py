"""Few-shot prompts: answered questions before the question, in the prompt's own language."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice

from xtransplant.errors import DataError
from xtransplant.prompts.tokenise import answered
from xtransplant.tasks.lazy_instance import LazyInstance
from xtransplant.tasks.splits import rank
from xtransplant.types import Instance

BETWEEN = "\n\n"
"""What separates the questions of a prompt."""


def with_shots(
    instances: Sequence[Instance],
    pool: Sequence[LazyInstance],
    sample: Collection[str],
    n: int,
    seed: int,
) -> list[Instance]:
    """Return the instances with answered questions before each of their prompts.

    Shots are ranked by a hash, as splits are. Those in the sample come last, and those of the
    instance's own cluster are never used.

    Args:
        instances: those of the run.
        pool: all instances of the language.
        sample: ids of the instances in the sample.
        n: number of shots.
        seed: of the ranking.

    Raises:
        DataError: the pool is too small.
    """
    last_first = sorted(pool, key=lambda each: rank(each.id, seed), reverse=True)
    unseen_first = sorted(last_first, key=lambda each: each.id in sample)
    return [_with_shots(instance, unseen_first, n) for instance in instances]


def _with_shots(instance: Instance, pool: Sequence[LazyInstance], n: int) -> Instance:
    others = (
        other
        for other in pool
        if other.id != instance.id and (not other.cluster or other.cluster != instance.cluster)
    )
    shots = [other.build() for other in islice(others, n)]
    if len(shots) < n:
        raise DataError(
            f"instance {instance.id} ({instance.language}) finds {len(shots)} other questions for "
            f"{n} shots; lower prompt.shots"
        )
    sources = [answered(shot.source, _answer(shot, shot.source_gold)) for shot in shots]
    targets = [answered(shot.target, _answer(shot, None)) for shot in shots]
    return replace(
        instance,
        source=BETWEEN.join([*sources, instance.source]),
        target=BETWEEN.join([*targets, instance.target]),
    )


def _answer(shot: Instance, source_gold: str | None) -> str:
    """Return the right answer as it follows a prompt: the option's marker, or the text."""
    for option in shot.options:
        if option.key == shot.gold:
            return option.marker
    return source_gold or shot.gold
