"""Controls: the same grid and as many tries, with a source that cannot know the answer.

An upper bound keeps the best of hundreds of tries, so it rises by chance alone; what counts is its
excess over a control. Four of them, by `control=`:

`random_instance`    the source prompt of another instance of the same language;
`noise`              Gaussian noise with each layer's norm in place of the source's activations;
`same_prompt`        the target prompt is its own source;
`shuffled_language`  the question in a language that is neither this one nor the pivot.

It knows instances, no tokens and no models; the engine makes the noise. What a control draws hangs
on the seed and the instance, never on which languages or shards a command runs.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xtransplant.errors import DataError
from xtransplant.types import Instance

Load = Callable[[str], Sequence[Instance]]
"""From a language of the task to all its instances."""


def controlled(
    control: str,
    instances: Mapping[str, Sequence[Instance]],
    seed: int,
    languages: Sequence[str],
    load: Load,
) -> dict[str, list[Instance]]:
    """Return the instances with the source prompts of a control.

    Args:
        control: one of `xtransplant.config.schema.CONTROLS`.
        instances: by language, those of the run.
        seed: of what is drawn.
        languages: those `shuffled_language` may draw from: the task's without its pivot.
        load: asked for the other languages' instances, where they are needed.

    Raises:
        DataError: too few instances or languages to draw another one, or a question that a drawn
            language does not have.
    """
    if control == "random_instance":
        return {language: _random_instance(some, seed) for language, some in instances.items()}
    if control == "same_prompt":
        return {language: _same_prompt(some) for language, some in instances.items()}
    if control == "shuffled_language":
        return _shuffled_language(instances, seed, languages, load)
    return {language: list(some) for language, some in instances.items()}


def noise_seed(control: str, instance: Instance, seed: int) -> int | None:
    """Return what an instance's noise is drawn from, None where the control is another one."""
    return _draw(seed, instance) if control == "noise" else None


def _random_instance(instances: Sequence[Instance], seed: int) -> list[Instance]:
    # One order for every language, so that parallel instances get parallel sources.
    order = list(range(len(instances)))
    random.Random(seed).shuffle(order)
    place = {index: rank for rank, index in enumerate(order)}
    return [
        replace(instance, source=_next_source(instances, order, place[index]))
        for index, instance in enumerate(instances)
    ]


def _next_source(instances: Sequence[Instance], order: Sequence[int], place: int) -> str:
    """Return the first other source prompt that follows in a circle."""
    own = instances[order[place]]
    for index in [*order[place + 1 :], *order[:place]]:
        if instances[index].source != own.source:
            return instances[index].source
    raise DataError(
        f"control random_instance finds no other source prompt for instance {own.id} "
        f"({own.language}) among {len(instances)}; raise limit to 2 or more"
    )


def _same_prompt(instances: Sequence[Instance]) -> list[Instance]:
    return [
        replace(instance, source=instance.target, source_language=instance.target_language)
        for instance in instances
    ]


def _shuffled_language(
    instances: Mapping[str, Sequence[Instance]], seed: int, languages: Sequence[str], load: Load
) -> dict[str, list[Instance]]:
    by_id = {language: {one.id: one for one in load(language)} for language in sorted(languages)}
    return {
        language: [_in_another_language(instance, seed, by_id) for instance in some]
        for language, some in instances.items()
    }


def _in_another_language(
    instance: Instance, seed: int, by_id: Mapping[str, Mapping[str, Instance]]
) -> Instance:
    others = [language for language in by_id if language != instance.language]
    if not others:
        raise DataError(
            f"control shuffled_language needs a task with two languages or more beside its pivot; "
            f"this one has {instance.language}"
        )
    language = others[_draw(seed, instance) % len(others)]
    other = by_id[language].get(instance.id)
    if other is None:
        raise DataError(
            f"control shuffled_language: instance {instance.id} ({instance.language}) is missing "
            f"in {language}; it needs a task with the same questions in every language"
        )
    source = other.target if other.target_language == language else other.source
    return replace(instance, source=source, source_language=language)


def _draw(seed: int, instance: Instance) -> int:
    """Return a number that hangs on the seed and the instance alone, 0..2^63-1."""
    name = f"{seed}\0{instance.language}\0{instance.id}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") >> 1
