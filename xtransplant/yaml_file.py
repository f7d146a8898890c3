"""YAML files: the one place that reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from xtransplant.errors import ConfigError


def read_yaml(
    path: Path, *, setting: str = "", allowed: str = "", as_written: bool = False
) -> dict[str, Any]:
    """Return the keys and values of a YAML file.

    Args:
        path: the file.
        setting: name of the setting that gives the file, for messages.
        allowed: description of a valid file, for messages.
        as_written: whether every value is its text, also where YAML reads a number.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has no keys.
    """
    name = f"{setting} {path}".strip()
    remedy = f"; allowed: {allowed}" if allowed else ""
    try:
        loader = yaml.BaseLoader if as_written else yaml.SafeLoader
        content = yaml.load(path.read_text("utf-8"), loader)
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror or error}{remedy}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # RecursionError: deep nesting
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name} is not YAML: {reason}{remedy}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name} holds no KEY: VALUE lines{remedy}")
    return content


def to_yaml(content: Mapping[str, Any]) -> str:
    """Return keys and values as the content of a YAML file, in their order."""
    return yaml.safe_dump(
        dict(content), sort_keys=False, allow_unicode=True, default_flow_style=None
    )
