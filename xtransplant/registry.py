"""Tables of what can be named in a configuration; a gap in one of them fails at import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """As in the configuration."""
        ...


N = TypeVar("N", bound=Named)
T = TypeVar("T")


def by_name(entries: Iterable[N]) -> dict[str, N]:
    """Return entries by their names.

    Raises:
        RuntimeError: two entries have one name.
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
        setting: its key in the configuration.
        values: all that the setting allows.
        table: handlers by value.

    Raises:
        RuntimeError: a value without a handler, or a handler of no value.
    """
    allowed = list(values)
    if unhandled := [value for value in allowed if value not in table]:
        raise RuntimeError(f"{setting}: no handler for {', '.join(unhandled)}")
    if unlisted := [value for value in table if value not in allowed]:
        raise RuntimeError(f"{setting}: handlers of values not allowed: {', '.join(unlisted)}")
    return {value: table[value] for value in allowed}
