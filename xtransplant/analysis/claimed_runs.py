"""Which runs the paper's claims compare: by module, by kind of task, by direction."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from xtransplant.analysis.interactions import Gains
from xtransplant.analysis.measures import BOUND, Measured, measured
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study
from xtransplant.analysis.task_kinds import KINDS
from xtransplant.store.run_identity import Pairing, RunIdentity

ATTENTION, FEED_FORWARD = ("attn", "attn_residual"), "mlp"

OfKind = tuple[list[Outcomes], Gains]
"""Runs of one kind of task, and their gains."""


def by_module(study: Study) -> list[dict[str, Measured]]:
    """Return the measures that modules have in common, by module, on the same task and split.

    Upper bounds are compared over the same cells. Of several runs the one with most instances, then
    most cells, counts.
    """
    groups: dict[Hashable, dict[str, Measured]] = {}
    for one in study.experiments:
        for found in measured(study, one):
            cells = one.cells if found.measure == BOUND else None
            key = (one.identity.group(Pairing.UNTOUCHED), found.measure, cells)
            modules = groups.setdefault(key, {})
            other = modules.get(one.identity.module)
            if other is None or _size(found) > _size(other):
                modules[one.identity.module] = found
    return list(groups.values())


def gains_by_kind(study: Study) -> Iterator[tuple[str, str, dict[str, OfKind]]]:
    """Yield what attention gains over feed-forward, by kind of task, for each module and measure.

    Each task counts with its largest split; each language of each task has the same weight.
    """
    groups: dict[tuple[str, str, Hashable], dict[str, tuple[Outcomes, Gains]]] = {}
    for modules in by_module(study):
        for name in ATTENTION:
            if not {name, FEED_FORWARD} <= modules.keys():
                continue
            left, right = paired(modules[name], modules[FEED_FORWARD])
            identity = left.outcomes.identity
            if identity.task not in KINDS or not _is_usual(identity):
                continue
            key = (name, left.measure, _apart_from_task(identity))
            values = left.right.astype(np.float64) - right.right
            gains = Gains(values, left.outcomes.cluster, left.outcomes.language)
            tasks = groups.setdefault(key, {})
            if identity.task not in tasks or len(values) > len(tasks[identity.task][1].values):
                tasks[identity.task] = (left.outcomes, gains)
    for (module, measure, _), tasks in groups.items():
        kinds: dict[str, dict[str, tuple[Outcomes, Gains]]] = {}
        for task, found in tasks.items():
            kinds.setdefault(KINDS[task], {})[task] = found
        yield (
            module,
            measure,
            {
                kind: (
                    [one for one, _ in of.values()],
                    Gains.joined({task: gains for task, (_, gains) in of.items()}),
                )
                for kind, of in kinds.items()
            },
        )


def by_direction(study: Study) -> Iterator[tuple[Measured, Measured]]:
    """Yield each measure in a task's usual direction, and in the other one."""
    groups: dict[Hashable, dict[bool, Measured]] = {}
    for one in study.experiments:
        for found in measured(study, one):
            key = (one.identity.group(Pairing.DIRECTIONS), found.measure)
            groups.setdefault(key, {})[_is_usual(one.identity)] = found
    for directions in groups.values():
        if len(directions) > 1 and _common(directions[True], directions[False]):
            yield directions[True], directions[False]


def paired(left: Measured, right: Measured) -> tuple[Measured, Measured]:
    """Return two measures with the instances that both have, in the same order."""
    common = _common(left, right)
    rows = np.array([name in common for name in left.outcomes.names])
    places = {name: place for place, name in enumerate(right.outcomes.names)}
    chosen = left.rows_at(rows)
    of_right = np.array([places[name] for name in chosen.outcomes.names], dtype=np.int64)
    return chosen, right.rows_at(of_right)


def _common(left: Measured, right: Measured) -> set[tuple[str, str]]:
    return set(left.outcomes.names) & set(right.outcomes.names)


def _is_usual(identity: RunIdentity) -> bool:
    return identity.direction in (None, identity.usual_direction)


def _apart_from_task(identity: RunIdentity) -> Hashable:
    """Return the axes that separate runs, but for those that go with the task."""
    group = identity.group(Pairing.UNTOUCHED)
    assert isinstance(group, tuple)
    return tuple(axis for axis in group if axis[0] not in ("task", "split", "direction"))


def _size(found: Measured) -> tuple[int, int]:
    return len(found.right), len(found.outcomes.cells)
