"""The keys of the configuration, with their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass

from xtransplant.config.schema import (
    RunConfig,
)


def schema_keys(schema: type = RunConfig, prefix: str = "") -> dict[str, str]:
    """Return every dotted key of the schema with its type as the source code spells it."""
    keys: dict[str, str] = {}
    for field in fields(schema):
        section: object = field.default_factory
        if isinstance(section, type) and is_dataclass(section):
            keys |= schema_keys(section, f"{prefix}{field.name}.")
        else:
            keys[prefix + field.name] = str(field.type)
    return keys


def is_text(type_: str) -> bool:
    """Return whether a type, as returned by `schema_keys`, is text or a list of texts."""
    return type_.removesuffix(" | None") in ("str", "list[str]")


def enumerated_keys(schema: type = RunConfig, prefix: str = "") -> dict[str, Sequence[str]]:
    """Return the dotted keys that have a fixed set of values, with these values."""
    keys: dict[str, Sequence[str]] = {}
    for field in fields(schema):
        section: object = field.default_factory
        if isinstance(section, type) and is_dataclass(section):
            keys |= enumerated_keys(section, f"{prefix}{field.name}.")
        elif choices := field.metadata.get("choices"):
            keys[prefix + field.name] = choices
    return keys
