"""The alphabet of names that become part of paths, tables and pages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xtransplant.errors import ConfigError

NAME = re.compile(r"\w(?:[\w .,+@()-]*[\w.)+@-])?")
"""Pattern of the name of a model, task, split or grid."""
LONGEST_NAME = 100


def require_names(model: str, task: str, grid: str, splits: Sequence[str]) -> None:
    """Check the names of a run; errors are as for `require_name`."""
    require_name("model.name", model)
    require_name("task.name", task)
    require_name("grid.name", grid)
    for split in splits:
        require_name("task.splits", split)


def require_name(key: str, name: str) -> None:
    """Check a name that becomes part of paths, tables and pages.

    Raises:
        ConfigError: the name is empty, is too long, does not begin with a letter or digit, or has
            a character that is not allowed.
    """
    if len(name) <= LONGEST_NAME and NAME.fullmatch(name):
        return
    shown = name if len(name) <= LONGEST_NAME else f"{name[:39]}…"
    raise ConfigError(
        f"bad value {shown!r} for {key}; allowed: at most {LONGEST_NAME} letters, digits, spaces "
        f"and . , _ - + @ ( ), a letter or digit first; give another: {key}=…"
    )
