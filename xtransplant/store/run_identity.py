"""The identity of a run: the data it was measured on and the method it was measured with.

`RunIdentity` is a table with one axis on each line: its name, its key in the manifest's
configuration, what a difference between two runs of one report means (`Rule`), and the default for
manifests that were written before the key existed. Groups, titles, pairs and refusals are derived
from the table, so a new axis takes one line. See `docs/run-identity.md`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from functools import cache
from typing import Any, Self

from xtransplant.config.run_key import idle_settings
from xtransplant.config.untouched import UNTOUCHED
from xtransplant.store.axis import Axis, Rule, data_axis, method_axis
from xtransplant.types import Cell

OWN_COLUMNS = ("control", "cells", "temperature")
"""Axes that have columns of their own in tables, or are part of another column."""
IDLE = {"module": UNTOUCHED}
"""Values of axes without effect in a run; those of other axes are their defaults."""
FROM_PARTS = ("scorer", "cells")
"""Axes read from the parts: the scorer with its version, and the resolved grid."""


class Pairing(Enum):
    """Kinds of comparison, each with the separating axes in which compared runs may differ.

    All other separating axes must be equal, so a new axis never pairs unlike runs.
    """

    CONTROL = frozenset({"control"})
    """An experiment with its controls."""
    SELECTION = frozenset({"split", "cells"})
    """A run that selects a cell with a run on another split that judges it."""
    MODULES = frozenset({"module"})
    """Runs of different modules."""
    MODELS = frozenset({"model", "cells"})
    """A method with several models."""
    DIRECTIONS = frozenset({"direction"})
    """Both directions of a task."""
    CELLS = frozenset({"control", "cells"})
    """A cell of an experiment and the same cell of a control, whatever else their grids have."""
    UNTOUCHED = frozenset(
        {"control", "module", "cells", "op", "alpha", "vector", "steps", "norm", "temperature"}
    )
    """An experiment and answers of the untouched model, which depend on no intervention."""


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """The identity of a run.

    It does not hold what belongs to single instances (language pair, prompts, gold answer):
    `xtransplant.analysis.comparable` compares these one by one.
    """

    # The data: which questions, and which answers are right.
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

    # The method: which model, which intervention, and how questions are asked.
    model: str = method_axis("model.name", Rule.SEPARATES, label=True)
    model_id: str | None = method_axis("model.id", Rule.SAME_IN_MODEL, None)
    model_revision: str | None = method_axis("model.revision", Rule.SAME_IN_MODEL, None)
    distribution: str | None = method_axis("model.distribution", Rule.SAME_IN_MODEL, None)
    adapter: str | None = method_axis("model.adapter", Rule.SAME_IN_MODEL, None)
    adapter_revision: str | None = method_axis("model.adapter_revision", Rule.SAME_IN_MODEL, None)
    dtype: str = method_axis("model.dtype", Rule.SAME_IN_MODEL, "float32")
    trust_remote_code: bool = method_axis(
        "model.trust_remote_code", Rule.SAME_IN_MODEL, default=False
    )
    allow_pickle: bool = method_axis("model.allow_pickle", Rule.SAME_IN_MODEL, default=False)
    language_token: str | None = method_axis("model.language_token", Rule.SAME_IN_MODEL, None)
    layers_path: str | None = method_axis("model.family.layers", Rule.SAME_IN_MODEL, None)
    attn_path: str | None = method_axis("model.family.attn", Rule.SAME_IN_MODEL, None)
    mlp_path: str | None = method_axis("model.family.mlp", Rule.SAME_IN_MODEL, None)
    cross_attn_path: str | None = method_axis("model.family.cross_attn", Rule.SAME_IN_MODEL, None)
    encoder_path: str | None = method_axis("model.family.encoder_layers", Rule.SAME_IN_MODEL, None)
    module: str = method_axis("module", Rule.SEPARATES, label=True)
    op: str = method_axis("intervention.op", Rule.SEPARATES, "replace")
    alpha: float = method_axis("intervention.alpha", Rule.SEPARATES, 1.0)
    vector: str = method_axis("intervention.vector", Rule.SEPARATES, "activation")
    steps: str = method_axis("intervention.steps", Rule.SEPARATES, "first")
    norm: str = method_axis("intervention.norm", Rule.SEPARATES, "none")
    control: str = method_axis("control", Rule.SEPARATES, "none")
    direction: str | None = method_axis(
        "direction", Rule.SEPARATES, None, other_prompts=True, usual="usual_direction"
    )
    usual_direction: str | None = method_axis("task.direction", Rule.FREE, None)
    pivot: str | None = method_axis("pivot", Rule.SEPARATES, None, other_prompts=True)
    grid: str = method_axis("grid.name", Rule.FREE, "", label=True)
    grid_file: str | None = method_axis("grid.file", Rule.FREE, None)
    no_cells: bool = method_axis("grid.untouched", Rule.FREE, default=False)
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

        The axes of `FROM_PARTS` keep their defaults. A setting without effect in the run, such as
        the seed when nothing is drawn, counts as its default, as in the run key. The module of an
        untouched model is `UNTOUCHED`.

        Raises:
            KeyError: the configuration lacks a key without a default; the error names the key.
            ValueError: a value is an object, or a required value is not a text.
        """
        axes = [axis for axis in cls.axes() if axis.name not in FROM_PARTS]
        values = {axis.key: _value(config, axis) for axis in axes}
        idle = idle_settings(values)
        return cls(
            **{
                axis.name: IDLE.get(axis.name, axis.default) if axis.key in idle else value
                for axis, value in ((axis, values[axis.key]) for axis in axes)
            }
        )

    @classmethod
    def axes(cls, *rules: Rule) -> list[Axis]:
        """Return all axes, or only those with one of the given rules."""
        lines = _axes_of(cls)  # type: ignore[arg-type]  # mypy takes a class for its instance
        return [line for line in lines if not rules or line.rule in rules]

    @property
    def is_experiment(self) -> bool:
        """Return whether the run is an experiment, not a control."""
        return self.control == "none"

    @property
    def control_name(self) -> str:
        """Return the control for a reader, with what is off its default and of controls alone."""
        at = "" if self.temperature == 1 else f" at temperature {self.temperature:g}"
        return f"{self.control}{at}"

    def is_control_of(self, experiment: RunIdentity) -> bool:
        """Return whether the run is a control of an experiment.

        Answers of the untouched model are a control of every module and intervention.
        """
        if self.is_experiment or not experiment.is_experiment or self.cells != experiment.cells:
            return False
        pairing = Pairing.UNTOUCHED if self.module == UNTOUCHED else Pairing.CONTROL
        return self.group(pairing) == experiment.group(pairing)

    @property
    def earlier_splits(self) -> tuple[str, ...]:
        """Return the splits of the task that come before the run's split."""
        return self.splits[: self.splits.index(self.split)] if self.split in self.splits else ()

    @property
    def data_set(self) -> Hashable:
        """Return a key that is equal for runs on the same instances: task and split."""
        return tuple(
            getattr(self, axis.name) for axis in self.axes(Rule.SEPARATES) if axis.kind == "data"
        )

    @property
    def same_prompts(self) -> Hashable:
        """Return a key that is equal for runs with the same prompts of the same instances."""
        others = (getattr(self, axis.name) for axis in self.axes() if axis.other_prompts)
        return self.data_set, *others

    def group(self, pairing: Pairing | None = None) -> Hashable:
        """Return a key that is equal for runs that are compared in a pairing.

        If `pairing` is None, the key is equal for repeats: runs that agree in all separating axes.
        """
        may_differ = pairing.value if pairing else frozenset[str]()
        return tuple(
            (axis.name, getattr(self, axis.name))
            for axis in self.axes(Rule.SEPARATES)
            if axis.name not in may_differ
        )

    def labels(self, more: Iterable[str] = ()) -> dict[str, str]:
        """Return the columns that identify the run in a table, by name and in order.

        Args:
            more: names of further axes, see `unusual_axes`.
        """
        always = [axis.name for axis in self.axes() if axis.label]
        return {name: str(getattr(self, name)) for name in [*always, *more]}

    def title(self, *, with_module: bool = True) -> str:
        """Return the run's title for a reader: task (split), model, module.

        Other separating axes follow with their names if they are off their defaults.
        """
        names = [f"{self.task} ({self.split})", self.model, *([self.module] if with_module else [])]
        return ", ".join(
            [*names, *(f"{name} {getattr(self, name)}" for name in unusual_axes([self]))]
        )


def unusual_axes(identities: Iterable[RunIdentity]) -> list[str]:
    """Return the separating axes that have no label of their own and are off their default.

    A report shows these too, so that unlike runs never look alike.
    """
    given = list(identities)
    return [
        axis.name
        for axis in (given[0].axes(Rule.SEPARATES) if given else [])
        if not axis.label and axis.name not in OWN_COLUMNS
        if not all(axis.is_usual(one) for one in given)
    ]


@cache
def _axes_of(identity: type[RunIdentity]) -> list[Axis]:
    return [Axis(name=one.name, default=one.default, **one.metadata) for one in fields(identity)]


def _value(config: Mapping[str, Any], axis: Axis) -> Any:
    """Return the value of an axis in a configuration; its default if the key is missing."""
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
        raise ValueError(f"{axis.key} is {found!r:.60}, not a text")
    return tuple(found) if isinstance(found, list) else found
