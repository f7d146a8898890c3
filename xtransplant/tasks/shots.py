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
"""Text between the questions of a prompt."""


def ranked_for_shots(
    pool: Sequence[LazyInstance], sample: Collection[str], seed: int
) -> list[LazyInstance]:
    """Return all instances of a language in the order in which they become shots.

    The order is given by a hash, with the instances of the sample last.

    Args:
        pool: all instances of the language.
        sample: ids of the instances in the sample.
        seed: seed of the ranking.
    """
    last_first = sorted(pool, key=lambda each: rank(each.id, seed), reverse=True)
    return sorted(last_first, key=lambda each: each.id in sample)


def with_shots(
    instances: Sequence[Instance],
    asked: Sequence[Instance],
    ranked: Sequence[LazyInstance],
    n: int,
) -> list[Instance]:
    """Return the instances with the same answered questions (shots) before each of their prompts.

    Instances that are asked, and instances of their clusters, never become shots, because they
    would reveal answers to questions that are judged.

    Args:
        instances: instances of one language.
        asked: instances of the run that use these prompts, in this language or another one.
        ranked: all instances of the language, see `ranked_for_shots`.
        n: number of shots.

    Raises:
        DataError: too few questions are left.
    """
    ids = {one.id for one in asked}
    clusters = {one.cluster for one in asked if one.cluster}
    others = (one for one in ranked if one.id not in ids and one.cluster not in clusters)
    shots = [one.build() for one in islice(others, n)]
    if len(shots) < n:
        raise DataError(
            f"only {len(shots)} questions of {instances[0].language!r} are left for {n} shots "
            f"besides the {len(ids)} that are asked; lower prompt.shots or limit, or choose "
            "another split"
        )
    return [_with_shots(instance, shots) for instance in instances]


def fixes_of_shots(
    instances: Sequence[Instance],
    asked: Sequence[Instance],
    ranked: Sequence[LazyInstance],
    n: int,
) -> set[str]:
    """Return the names of the bug fixes that changed the shots of a run.

    Arguments are as for `with_shots`. `unasked_shots`: earlier, a shot could be another instance
    that is asked, or one of its cluster.
    """
    ids = {one.id for one in asked}
    clusters = {one.cluster for one in asked if one.cluster}
    for own in instances:
        if own.id not in ids:  # its prompt is not read
            continue
        others = (
            one
            for one in ranked
            if one.id != own.id and (not one.cluster or one.cluster != own.cluster)
        )
        if any(one.id in ids or one.cluster in clusters for one in islice(others, n)):
            return {"unasked_shots"}
    return set()


def _with_shots(instance: Instance, shots: Sequence[Instance]) -> Instance:
    sources = [answered(shot.source, _answer(shot, shot.source_gold)) for shot in shots]
    targets = [answered(shot.target, _answer(shot, None)) for shot in shots]
    return replace(
        instance,
        source=BETWEEN.join([*sources, instance.source]),
        target=BETWEEN.join([*targets, instance.target]),
    )


def _answer(shot: Instance, source_gold: str | None) -> str:
    """Return the right answer in the form that follows a prompt: the option's marker, or a text."""
    for option in shot.options:
        if option.key == shot.gold:
            return option.marker
    return source_gold or shot.gold
