"""An axis of a run's identity, and what a difference between two runs in it means."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Literal


class Rule(Enum):
    """The meaning of a difference between two runs of one report in an axis."""

    SEPARATES = "may differ; such runs have separate rows and titles"
    SAME_IN_TASK = "must be the same in all runs of a task"
    SAME_IN_MODEL = "must be the same in all runs of a task and model"
    REPEATS = "may differ, unless the runs differ in nothing else"
    FREE = "may differ, and does not distinguish runs"


@dataclass(frozen=True)
class Axis:
    """One line of the table.

    Attributes:
        name: attribute of `RunIdentity`.
        key: dotted key in the manifest's configuration; messages show it.
        kind: "data" or "method", whichever the axis describes.
        rule: meaning of a difference.
        default: value for a manifest without the key.
        label: whether tables always have a column for the axis, and file names contain it.
        other_prompts: whether runs that differ in the axis may have different prompts and gold
            answers for the same instance.
        usual: name of the axis that holds the run's own default, "" if that is the same for all.
    """

    name: str
    key: str
    kind: Literal["data", "method"]
    rule: Rule
    default: Any
    label: bool
    other_prompts: bool
    usual: str

    def is_usual(self, identity: object) -> bool:
        """Return whether a run has the default."""
        usual = getattr(identity, self.usual) if self.usual else self.default
        return getattr(identity, self.name) in (self.default, usual)


def _axis(
    kind: Literal["data", "method"],
    key: str,
    rule: Rule,
    default: Any = MISSING,
    *,
    label: bool = False,
    other_prompts: bool = False,
    usual: str = "",
) -> Any:
    """Return a dataclass field for an axis; the arguments are attributes of `Axis`."""
    axis = {"kind": kind, "key": key, "rule": rule, "label": label, "other_prompts": other_prompts}
    return field(default=default, metadata=axis | {"usual": usual})


data_axis = partial(_axis, "data")
method_axis = partial(_axis, "method")
