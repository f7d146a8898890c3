"""The check that runs can be compared in one report; a refusal names the reason.

The table in `xtransplant.store.run_identity` defines what may differ.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from itertools import pairwise

from xtransplant.analysis.outcomes import Outcomes
from xtransplant.errors import OutputError
from xtransplant.store.axis import Axis, Rule


def require_together(outcomes: Sequence[Outcomes]) -> None:
    """Check that runs may be compared.

    Runs of the same task must agree in the axes with `Rule.SAME_IN_TASK`, and runs of the same task
    and model in those with `Rule.SAME_IN_MODEL`. Runs of the same task and split must have the same
    target prompt and gold answer for each instance they share; experiments also the same source
    prompt. Two runs must differ in more than seed and limit, but for controls of several seeds. A
    control must have the instances of its experiment.

    Raises:
        OutputError: runs cannot be compared; the message names the field and the two runs.
    """
    _require_same_axes(outcomes, Rule.SAME_IN_TASK, ("task",))
    _require_same_instances(outcomes, "content", "target prompt or gold answer")
    experiments = [one for one in outcomes if one.identity.is_experiment]
    _require_same_instances(experiments, "source", "source prompt")
    _require_same_axes(outcomes, Rule.SAME_IN_MODEL, ("task", "model"))
    _require_no_repeats(outcomes)
    _require_instances_of_experiment(outcomes)


def _require_same_axes(outcomes: Sequence[Outcomes], rule: Rule, within: tuple[str, ...]) -> None:
    """Check the axes with a rule among runs that agree in the axes named in `within`."""

    def group(one: Outcomes) -> list[str]:
        return [getattr(one.identity, name) for name in within]

    for left, right in pairwise(sorted(outcomes, key=group)):
        if group(left) == group(right):
            for axis in left.identity.axes(rule):
                _require_same(left, right, axis)


def _require_same(left: Outcomes, right: Outcomes, axis: Axis) -> None:
    first, second = (getattr(one.identity, axis.name) for one in (left, right))
    if first != second:
        raise OutputError(
            f"{left.run.folder.path} and {right.run.folder.path} do not belong together: "
            f"{axis.key} differs, {json.dumps(first)} and {json.dumps(second)}; report them apart"
        )


def _require_same_instances(outcomes: Sequence[Outcomes], field: str, what: str) -> None:
    seen: dict[Hashable, tuple[str, Outcomes]] = {}
    for one in outcomes:
        same_prompts = one.identity.same_prompts
        for (language, name), content in zip(one.names, getattr(one, field).tolist(), strict=True):
            earlier, other = seen.setdefault((same_prompts, language, name), (content, one))
            if earlier != content:
                raise OutputError(
                    f"{other.run.folder.path} and {one.run.folder.path} do not belong together: "
                    f"data differs, instance {name} ({language}) has another {what}; "
                    "run one of them again on the other's data"
                )


def _require_no_repeats(outcomes: Sequence[Outcomes]) -> None:
    seen: dict[Hashable, Outcomes] = {}
    for one in outcomes:
        # Several seeds of one control are averaged, see `Study.replicates`.
        seed = None if one.identity.is_experiment else one.identity.seed
        other = seen.setdefault((one.identity.group(), seed), one)
        if other is not one:
            for axis in one.identity.axes(Rule.REPEATS):
                _require_same(other, one, axis)
            raise OutputError(
                f"{other.run.folder.path} and {one.run.folder.path} are the same run; "
                "give one of them"
            )


def _require_instances_of_experiment(outcomes: Sequence[Outcomes]) -> None:
    pairs = (
        (experiment, one)
        for one in outcomes
        for experiment in outcomes
        if one.identity.is_control_of(experiment.identity)
    )
    for experiment, one in pairs:
        for language in set(one.languages) & set(experiment.languages):
            ids = {frozenset(each.only(language).instance.tolist()) for each in (experiment, one)}
            if len(ids) > 1:
                raise OutputError(
                    f"{experiment.run.folder.path} and {one.run.folder.path} do not belong "
                    f"together: instances differ in {language} (limit "
                    f"{experiment.identity.limit} and {one.identity.limit}); run one of them again "
                    "with the other's limit"
                )
