"""Tables from the names in a configuration to objects; a gap in a table fails at import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """Name in the configuration."""
        ...


N = TypeVar("N", bound=Named)
T = TypeVar("T")


def by_name(entries: Iterable[N]) -> dict[str, N]:
    """Return a dictionary of entries by name.

    Raises:
        RuntimeError: two entries have the same name.
    """
    table: dict[str, N] = {}
    for entry in entries:
        if entry.name in table:
            raise RuntimeError(f"{entry.name!r} is registered twice")
        table[entry.name] = entry
    return table


def handlers(setting: str, values: Iterable[str], table: Mapping[str, T]) -> dict[str, T]:
    """Return the handler of each value of an enumerated setting, in the order of the values.

    Args:
        setting: key of the setting in the configuration.
        values: all allowed values of the setting.
        table: handlers by value.

    Raises:
        RuntimeError: a value has no handler, or a handler belongs to no value.
    """
    allowed = list(values)
    if unhandled := [value for value in allowed if value not in table]:
        raise RuntimeError(f"{setting}: no handler for {', '.join(unhandled)}")
    if unlisted := [value for value in table if value not in allowed]:
        raise RuntimeError(f"{setting}: handlers of unknown values: {', '.join(unlisted)}")
    return {value: table[value] for value in allowed}
