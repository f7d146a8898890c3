"""Controls: the same grid of cells, with a source that cannot know the answer.

An upper bound is the best of hundreds of cells, so it rises by chance alone. Only its excess over
a control is evidence for an effect.

An entry of `CONTROLS` defines a control: the source prompts that it reads, what replaces their
activations, and the interventions that it can be combined with. Source prompts are chosen here; the
engine makes the noise. The draws of a control depend only on the seed and the instance, not on the
languages or shards of a command.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xtransplant.config import schema
from xtransplant.errors import ConfigError, DataError
from xtransplant.registry import handlers
from xtransplant.types import Instance

Load = Callable[[str], Sequence[Instance]]
"""Function that returns all instances of a language of the task."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs from which a control chooses source prompts.

    Attributes:
        instances: instances of the run, by language.
        seed: seed of the draws.
        languages: languages of the task except its pivot.
        load: function that returns all instances of one of these languages.
    """

    instances: Mapping[str, Sequence[Instance]]
    seed: int
    languages: Sequence[str]
    load: Load


@dataclass(frozen=True, slots=True)
class Control:
    """A control: what replaces the experiment's source.

    Attributes:
        sources: returns the instances, by language, with the source prompts that are read.
        seeds: fields of the engine's request that get a seed of the instance: `noise_seed` for
            Gaussian noise with each layer's norm in place of the activations read,
            `displacement_seed` for a random direction in which the output moves as far.
        mean: whether the mean activation over the selection split replaces the activations read.
        untouched: whether nothing is written: the control is about the model alone.
        goes_with: allowed values of the intervention's properties; a property that is not named
            may have any value.
    """

    sources: Callable[[Inputs], dict[str, list[Instance]]]
    seeds: tuple[str, ...] = ()
    mean: bool = False
    untouched: bool = False
    goes_with: Mapping[str, Sequence[str]] = field(default_factory=dict)


def controlled(control: str, inputs: Inputs) -> dict[str, list[Instance]]:
    """Return the instances, by language, with the source prompts of a control.

    Raises:
        DataError: there are too few instances or languages to draw another one, or a drawn
            language lacks a question.
    """
    return CONTROLS[control].sources(inputs)


def engine_seeds(control: str, instance: Instance, seed: int) -> dict[str, int]:
    """Return the seeds of what the engine draws for an instance, by field of its request."""
    return dict.fromkeys(CONTROLS[control].seeds, _draw(seed, instance))


def require_goes_with(control: str, intervention: Mapping[str, Any]) -> None:
    """Check that a control makes sense with an intervention.

    Args:
        control: one of `CONTROLS`.
        intervention: value of each of its properties.

    Raises:
        ConfigError: the control does not allow the value of a property.
    """
    for name, allowed in CONTROLS[control].goes_with.items():
        if intervention[name] not in allowed:
            raise ConfigError(
                f"control={control} does not go with intervention.{name}={intervention[name]}; "
                f"allowed: {', '.join(allowed)}"
            )


def fixes_of_draws(
    control: str, instances: Mapping[str, Sequence[Instance]], seed: int
) -> set[str]:
    """Return the names of the bug fixes that changed the draws of a control in a run.

    `other_cluster`: `random_instance` draws only from other clusters.
    """
    if control != "random_instance":
        return set()
    changed = any(
        _drawn(some, seed, _other_prompt) != _drawn(some, seed, _other_cluster)
        for some in instances.values()
    )
    return {"other_cluster"} if changed else set()


def _own_sources(inputs: Inputs) -> dict[str, list[Instance]]:
    return {language: list(some) for language, some in inputs.instances.items()}


def _random_instance(inputs: Inputs) -> dict[str, list[Instance]]:
    """Give each instance the source prompt of an instance of another cluster in its language."""
    return {
        language: [
            _reading(own, _require_drawn(own, other, len(some)))
            for own, other in zip(some, _drawn(some, inputs.seed, _other_cluster), strict=True)
        ]
        for language, some in inputs.instances.items()
    }


def _reading(own: Instance, other: Instance) -> Instance:
    """Return an instance with the source prompt of another, and a note of that instance."""
    return replace(own, source=other.source, drawn_id=other.id, drawn_gold=other.gold)


def _drawn(
    instances: Sequence[Instance], seed: int, may_be: Callable[[Instance, Instance], bool]
) -> list[Instance | None]:
    """Return for each instance the next one, in a shuffled circle, that it may draw."""
    # All languages have the same order, so that parallel instances get parallel sources.
    order = list(range(len(instances)))
    random.Random(seed).shuffle(order)
    place = {index: rank for rank, index in enumerate(order)}
    return [
        next(
            (
                instances[index]
                for index in [*order[place[number] + 1 :], *order[: place[number]]]
                if may_be(own, instances[index])
            ),
            None,
        )
        for number, own in enumerate(instances)
    ]


def _other_prompt(own: Instance, other: Instance) -> bool:
    return other.source != own.source


def _other_cluster(own: Instance, other: Instance) -> bool:
    """Return whether another instance shares neither prompt nor cluster with this one."""
    return _other_prompt(own, other) and (not own.cluster or other.cluster != own.cluster)


def _require_drawn(own: Instance, other: Instance | None, n: int) -> Instance:
    if other is None:
        raise DataError(
            f"control random_instance finds no source prompt of another question or passage for "
            f"instance {own.id} ({own.language}) among {n} instances; raise limit"
        )
    return other


def _same_prompt(inputs: Inputs) -> dict[str, list[Instance]]:
    """Make each target prompt its own source."""
    return {
        language: [
            replace(instance, source=instance.target, source_language=instance.target_language)
            for instance in some
        ]
        for language, some in inputs.instances.items()
    }


def _shuffled_language(inputs: Inputs) -> dict[str, list[Instance]]:
    """Ask each question in a language that is neither its own nor the pivot."""
    by_id = {
        language: {one.id: one for one in inputs.load(language)}
        for language in sorted(inputs.languages)
    }
    return {
        language: [_in_another_language(instance, inputs.seed, by_id) for instance in some]
        for language, some in inputs.instances.items()
    }


def _in_another_language(
    instance: Instance, seed: int, by_id: Mapping[str, Mapping[str, Instance]]
) -> Instance:
    others = [language for language in by_id if language != instance.language]
    if not others:
        raise DataError(
            f"control shuffled_language needs a task with two languages or more besides its pivot; "
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


def _samples(inputs: Inputs) -> dict[str, list[Instance]]:
    """Give each instance the seed of what the untouched model draws for it."""
    return {
        language: [replace(each, draw_seed=_draw(inputs.seed, each)) for each in some]
        for language, some in inputs.instances.items()
    }


def _draw(seed: int, instance: Instance) -> int:
    """Return a number that depends only on the seed and the instance, 0..2^63-1."""
    name = f"{seed}\0{instance.language}\0{instance.id}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") >> 1


_ACTIVATION = {"vector": ("activation",)}
_REPLACE = {"op": ("replace",)}
_NO_INTERVENTION = {
    **_ACTIVATION,
    **_REPLACE,
    **{"steps": ("first",), "norm": ("none",)},
}

CONTROLS = handlers(
    "control",
    schema.CONTROLS,
    {
        "none": Control(_own_sources),
        "random_instance": Control(_random_instance, goes_with=_ACTIVATION),
        "mean": Control(_own_sources, mean=True, goes_with=_ACTIVATION),
        "noise": Control(_own_sources, seeds=("noise_seed",)),
        "displacement": Control(_own_sources, seeds=("displacement_seed",), goes_with=_REPLACE),
        "same_prompt": Control(_same_prompt, goes_with=_ACTIVATION),
        "shuffled_language": Control(_shuffled_language),
        "samples": Control(_samples, untouched=True, goes_with=_NO_INTERVENTION),
    },
)
"""Controls by value of `control`. A new one is a line here and in `config.schema.CONTROLS`."""
