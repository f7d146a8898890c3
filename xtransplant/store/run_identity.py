"""What a run is: the data it was measured on and the method it was measured with.

`RunIdentity` is the one table of that. Each line is an axis: its name, its key in the manifest's
configuration, what a difference between two runs of one report means (`Rule`), and the value in
manifests that were written before the key existed. Groups, titles, pairs and refusals are derived
from the table, so a new axis is one line here. See `docs/run-identity.md`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import Enum
from functools import cache, partial
from typing import Any, Literal, Self

from xtransplant.config.run_key import idle_settings
from xtransplant.config.untouched import UNTOUCHED
from xtransplant.types import Cell

OWN_COLUMNS = ("control", "cells", "temperature")
"""Axes that tables and titles tell in words of their own."""
OF_UNTOUCHED = frozenset({"module", "op", "alpha", "vector", "steps", "norm", "temperature"})
"""Axes in which such a control may differ from the experiments that it stands beside."""
FROM_PARTS = ("scorer", "cells")
"""Axes that only the parts of a run tell: the scorer with its version, and the resolved grid."""


class Rule(Enum):
    """What it means that two runs of one report differ in an axis."""

    SEPARATES = "may differ; such runs have separate rows and titles"
    SAME_IN_TASK = "must be the same in all runs of a task"
    SAME_IN_MODEL = "must be the same in all runs of a task and model"
    REPEATS = "may differ, unless the runs differ in nothing else"
    FREE = "may differ, and never makes another run"


class Pairing(Enum):
    """Which runs are compared with each other: those that agree in all separating axes but these.

    An axis that is not named here must be the same, so a new one never pairs unlike runs.
    """

    CONTROL = frozenset({"control"})
    """An experiment and its controls."""
    SELECTION = frozenset({"split", "cells"})
    """A run that selects a cell, and a run of another split that judges it."""
    MODULES = frozenset({"module"})
    """Modules side by side."""


@dataclass(frozen=True)
class Axis:
    """One line of the table.

    Attributes:
        name: of the attribute of `RunIdentity`.
        key: dotted key in the manifest's configuration, which messages name.
        kind: whether it tells the data or the method apart.
        rule: what a difference means.
        default: for a manifest that does not have the key.
        idle: for a run in which the setting changes nothing; the default unless given.
        label: whether it always has a column in tables and a place in names of files.
        other_prompts: whether runs that differ in it may have other prompts and gold answers for
            the same instance.
    """

    name: str
    key: str
    kind: Literal["data", "method"]
    rule: Rule
    default: Any
    idle: Any
    label: bool
    other_prompts: bool


def _axis(
    kind: Literal["data", "method"],
    key: str,
    rule: Rule,
    default: Any = MISSING,
    *,
    idle: Any = MISSING,
    label: bool = False,
    other_prompts: bool = False,
) -> Any:
    """Return the field of an axis; the arguments are attributes of `Axis`."""
    axis = {"kind": kind, "key": key, "rule": rule, "label": label, "other_prompts": other_prompts}
    idle = default if idle is MISSING else idle
    return field(default=default, metadata={**axis, "idle": idle})


data_axis = partial(_axis, "data")
method_axis = partial(_axis, "method")


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """What a run is.

    The language pair of an instance, its prompts and its gold answer stand with the instances:
    `xtransplant.analysis.comparable` compares them one by one.
    """

    # The data: which questions, and what counts as right.
    task: str = data_axis("task.name", Rule.SEPARATES, label=True)
    split: str | None = data_axis("split", Rule.SEPARATES, None, label=True)
    splits: tuple[str, ...] = data_axis("task.splits", Rule.FREE, ())
    scorer: str | None = data_axis("scorer", Rule.SAME_IN_TASK, None)
    revision: str | None = data_axis("task.revision", Rule.SAME_IN_TASK, None)
    task_pivot: str = data_axis("task.pivot", Rule.SAME_IN_TASK, "en", other_prompts=True)
    pivot_revision: str | None = data_axis("task.pivot_revision", Rule.SAME_IN_TASK, None)
    sample_size: int = data_axis("task.sample_size", Rule.SAME_IN_TASK, 50)
    sample_seed: int = data_axis("task.sample_seed", Rule.SAME_IN_TASK, 0)
    sample_by: str = data_axis("task.sample_by", Rule.SAME_IN_TASK, "id")
    lost_markers: str = data_axis("task.lost_markers", Rule.SAME_IN_TASK, "refuse")
    limit: int | None = data_axis("limit", Rule.REPEATS, None)

    # The method: which model, what is done to it, and how it is asked.
    model: str = method_axis("model.name", Rule.SEPARATES, label=True)
    model_id: str | None = method_axis("model.id", Rule.SAME_IN_MODEL, None)
    model_revision: str | None = method_axis("model.revision", Rule.SAME_IN_MODEL, None)
    distribution: str | None = method_axis("model.distribution", Rule.SAME_IN_MODEL, None)
    adapter: str | None = method_axis("model.adapter", Rule.SAME_IN_MODEL, None)
    adapter_revision: str | None = method_axis("model.adapter_revision", Rule.SAME_IN_MODEL, None)
    dtype: str = method_axis("model.dtype", Rule.SAME_IN_MODEL, "float32")
    trust_remote_code: bool = method_axis("model.trust_remote_code", Rule.SAME_IN_MODEL, False)
    allow_pickle: bool = method_axis("model.allow_pickle", Rule.SAME_IN_MODEL, False)
    language_token: str | None = method_axis("model.language_token", Rule.SAME_IN_MODEL, None)
    layers_path: str | None = method_axis("model.family.layers", Rule.SAME_IN_MODEL, None)
    attn_path: str | None = method_axis("model.family.attn", Rule.SAME_IN_MODEL, None)
    mlp_path: str | None = method_axis("model.family.mlp", Rule.SAME_IN_MODEL, None)
    cross_attn_path: str | None = method_axis("model.family.cross_attn", Rule.SAME_IN_MODEL, None)
    encoder_path: str | None = method_axis("model.family.encoder_layers", Rule.SAME_IN_MODEL, None)
    module: str = method_axis("module", Rule.SEPARATES, idle=UNTOUCHED, label=True)
    op: str = method_axis("intervention.op", Rule.SEPARATES, "replace")
    alpha: float = method_axis("intervention.alpha", Rule.SEPARATES, 1.0)
    vector: str = method_axis("intervention.vector", Rule.SEPARATES, "activation")
    steps: str = method_axis("intervention.steps", Rule.SEPARATES, "first")
    norm: str = method_axis("intervention.norm", Rule.SEPARATES, "none")
    control: str = method_axis("control", Rule.SEPARATES, "none")
    direction: str | None = method_axis("direction", Rule.SAME_IN_TASK, None, other_prompts=True)
    pivot: str | None = method_axis("pivot", Rule.SEPARATES, None, other_prompts=True)
    grid: str = method_axis("grid.name", Rule.FREE, "", label=True)
    grid_file: str | None = method_axis("grid.file", Rule.FREE, None)
    no_cells: bool = method_axis("grid.untouched", Rule.FREE, False)
    cells: tuple[Cell, ...] = method_axis("cells", Rule.SEPARATES, ())
    max_new_tokens: int = method_axis("decode.max_new_tokens", Rule.SAME_IN_MODEL, 20)
    temperature: float = method_axis("decode.temperature", Rule.SEPARATES, 1.0)
    style: str = method_axis("prompt.style", Rule.SAME_IN_MODEL, "plain")
    instruction_language: str = method_axis(
        "prompt.instruction_language", Rule.SAME_IN_MODEL, "target"
    )
    shots: int = method_axis("prompt.shots", Rule.SAME_IN_MODEL, 3)
    seed: int = method_axis("seed", Rule.REPEATS, 0)

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Read the configuration of a manifest.

        The axes of `FROM_PARTS` keep their defaults. A setting that changes nothing in the run,
        such as the seed where nothing is drawn, counts as its default, as in the run key; the
        module of an untouched model as `UNTOUCHED`.

        Raises:
            KeyError: the configuration lacks a key that has no default, which it names.
            ValueError: a key has an object, or a name is no text.
        """
        axes = [axis for axis in cls.axes() if axis.name not in FROM_PARTS]
        values = {axis.key: _value(config, axis) for axis in axes}
        idle = idle_settings(values)
        return cls(
            **{axis.name: axis.idle if axis.key in idle else values[axis.key] for axis in axes}
        )

    @classmethod
    def axes(cls, *rules: Rule) -> list[Axis]:
        """Return the lines of the table, or those with one of some rules."""
        lines = _axes_of(cls)  # type: ignore[arg-type]  # mypy takes a class for its instance
        return [line for line in lines if not rules or line.rule in rules]

    @property
    def is_experiment(self) -> bool:
        """Return whether the run is no control."""
        return self.control == "none"

    @property
    def control_name(self) -> str:
        """Return the control for a reader, with what is off its default and of controls alone."""
        at = "" if self.temperature == 1 else f" at temperature {self.temperature:g}"
        return f"{self.control}{at}"

    def is_control_of(self, experiment: RunIdentity) -> bool:
        """Return whether the run is a control of an experiment, see `Pairing.CONTROL`."""
        if self.is_experiment or not experiment.is_experiment:
            return False
        apart = OF_UNTOUCHED if self.module == UNTOUCHED else frozenset[str]()
        return self.group(Pairing.CONTROL, apart) == experiment.group(Pairing.CONTROL, apart)

    @property
    def earlier_splits(self) -> tuple[str, ...]:
        """Return the splits of the task that come before the run's."""
        return self.splits[: self.splits.index(self.split)] if self.split in self.splits else ()

    @property
    def data_set(self) -> Hashable:
        """Return what runs on the same instances have in common: task and split."""
        return tuple(
            getattr(self, axis.name) for axis in self.axes(Rule.SEPARATES) if axis.kind == "data"
        )

    @property
    def same_prompts(self) -> Hashable:
        """Return what runs have in common that have the same prompts of the same instances."""
        others = (getattr(self, axis.name) for axis in self.axes() if axis.other_prompts)
        return self.data_set, *others

    def group(
        self, pairing: Pairing | None = None, apart: frozenset[str] = frozenset()
    ) -> Hashable:
        """Return what is the same for all runs of a pairing; for all repeats if it is None.

        Args:
            pairing: of the runs.
            apart: further axes in which they may differ, such as `OF_UNTOUCHED`.
        """
        may_differ = apart | (pairing.value if pairing else frozenset())
        return tuple(
            (axis.name, getattr(self, axis.name))
            for axis in self.axes(Rule.SEPARATES)
            if axis.name not in may_differ
        )

    def labels(self, more: Iterable[str] = ()) -> dict[str, str]:
        """Return the columns that name the run in a table, in their order.

        Args:
            more: names of axes to add, see `unusual_axes`.
        """
        always = [axis.name for axis in self.axes() if axis.label]
        return {name: str(getattr(self, name)) for name in [*always, *more]}

    def title(self, *, with_module: bool = True) -> str:
        """Return the run's name for a reader: task (split), model, module.

        Axes that separate runs and are off their default follow, each with its name.
        """
        names = [f"{self.task} ({self.split})", self.model, *([self.module] if with_module else [])]
        return ", ".join(
            [*names, *(f"{name} {getattr(self, name)}" for name in unusual_axes([self]))]
        )


def unusual_axes(identities: Iterable[RunIdentity]) -> list[str]:
    """Return the axes that separate runs, have no label of their own, and are off their default.

    A report names these too, so that unlike runs never look alike.
    """
    given = list(identities)
    return [
        axis.name
        for axis in (given[0].axes(Rule.SEPARATES) if given else [])
        if not axis.label and axis.name not in OWN_COLUMNS
        if any(getattr(one, axis.name) != axis.default for one in given)
    ]


@cache
def _axes_of(identity: type[RunIdentity]) -> list[Axis]:
    return [Axis(name=one.name, default=one.default, **one.metadata) for one in fields(identity)]


def _value(config: Mapping[str, Any], axis: Axis) -> Any:
    """Return the value of an axis in a configuration, its default where it is missing."""
    found: Any = config
    for name in axis.key.split("."):
        if not isinstance(found, Mapping) or name not in found:
            if axis.default is MISSING:
                raise KeyError(axis.key)
            return axis.default
        found = found[name]
    values = found if isinstance(found, list) else [found]
    if any(isinstance(value, dict | list) for value in values):
        raise ValueError(f"{axis.key} is {found!r:.60}")
    if axis.default is MISSING and not isinstance(found, str):
        raise ValueError(f"{axis.key} is {found!r:.60}, no text")
    return tuple(found) if isinstance(found, list) else found
