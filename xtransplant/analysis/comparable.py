"""Which runs may stand in one report: those whose figures mean the same; a refusal names why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from xtransplant.analysis.outcomes import Outcomes
from xtransplant.errors import OutputError

DATA = ("revision", "pivot_revision", "sample_size", "sample_seed", "sample_by", "lost_markers")
"""Keys of a task that say which data there are and how splits are drawn; not where data lie."""


def require_together(outcomes: Sequence[Outcomes]) -> None:
    """Check that runs may be compared.

    Runs of one task need the same scorer in the same version, the same direction and revision of
    the data, and splits drawn alike, else what selects a pair may judge it too; those of one task
    and split the same prompts and gold answers of every instance they share, but for the source
    prompts of controls; those of one model the same checkpoint, dtype, decoding and style of
    prompts. A control needs its experiment's instances, and no two runs may be the same but for
    seed or limit.

    Raises:
        OutputError: they do not; the message names the field and the first two runs that differ.
    """
    by_task = sorted(outcomes, key=lambda one: one.run.task)
    for left, right in pairwise(by_task):
        if left.run.task == right.run.task:
            _require_same(left, right, "scorer", left.scorer, right.scorer)
            _require_same(left, right, "direction", *_both(left, right, "direction"))
            for key in DATA:
                values = (one.config["task"].get(key) for one in (left, right))
                _require_same(left, right, f"task.{key}", *values)
    _require_same_data(outcomes, "content", "target prompt or gold answer")
    experiments = [one for one in outcomes if one.control == "none"]
    _require_same_data(experiments, "source", "source prompt")
    for left, right in pairwise(sorted(outcomes, key=lambda one: (one.run.task, one.run.model))):
        if (left.run.task, left.run.model) == (right.run.task, right.run.model):
            for section in ("model", "decode", "prompt"):
                both = _both(left, right, section)
                for key in sorted(both[0].keys() | both[1].keys()):
                    values = (one.get(key) for one in both)
                    _require_same(left, right, f"{section}.{key}", *values)
    _require_controls_match(outcomes)


def _require_same_data(outcomes: Sequence[Outcomes], field: str, what: str) -> None:
    seen: dict[tuple[str, str, str, str], tuple[str, Outcomes]] = {}
    for one in outcomes:
        for (language, name), content in zip(one.names, getattr(one, field).tolist(), strict=True):
            key = (*one.data_set, language, name)
            earlier, other = seen.setdefault(key, (content, one))
            if earlier != content:
                raise OutputError(
                    f"{other.run.folder.path} and {one.run.folder.path} do not belong together: "
                    f"data differs, instance {name} ({language}) has another {what}; "
                    "run one of them again on the other's data"
                )


def _require_controls_match(outcomes: Sequence[Outcomes]) -> None:
    taken: dict[Any, Outcomes] = {}
    for one in outcomes:
        other = taken.setdefault((place(one), one.control, one.cells), one)
        if other is not one:
            for field in ("seed", "limit"):
                _require_same(other, one, field, *_both(other, one, field))
            raise OutputError(
                f"{other.run.folder.path} and {one.run.folder.path} are the same run; "
                "give one of them"
            )
    for (where, control, cells), one in taken.items():
        experiment = taken.get((where, "none", cells))
        if control == "none" or experiment is None:
            continue
        for language in set(one.languages) & set(experiment.languages):
            ids = (set(each.only(language).instance.tolist()) for each in (experiment, one))
            if len({frozenset(found) for found in ids}) > 1:
                values = _both(experiment, one, "limit")
                raise OutputError(
                    f"{experiment.run.folder.path} and {one.run.folder.path} do not belong "
                    f"together: instances differ in {language} (limit {values[0]} and "
                    f"{values[1]}); run one of them again with the other's limit"
                )


def place(one: Outcomes) -> tuple[str, str, str, str]:
    """Return what an experiment and its controls have in common."""
    return one.run.task, one.split, one.run.model, one.run.module


def _both(left: Outcomes, right: Outcomes, field: str) -> tuple[Any, Any]:
    return left.config[field], right.config[field]


def _require_same(left: Outcomes, right: Outcomes, field: str, first: Any, second: Any) -> None:
    if first != second:
        raise OutputError(
            f"{left.run.folder.path} and {right.run.folder.path} do not belong together: "
            f"{field} differs, {json.dumps(first)} and {json.dumps(second)}; report them apart"
        )
