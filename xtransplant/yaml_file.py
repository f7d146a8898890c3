"""YAML files; the only module that reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from xtransplant.errors import ConfigError
from xtransplant.files import read_regular

MOST_VALUES = 1_000_000
"""Maximum number of values in a file."""
LINE_BREAKS = "\x85\u2028\u2029"
"""Characters at which YAML ends a line, unless they are written as escapes."""
MOST_BRACKETS = 50
"""Maximum nesting of brackets in a file."""


def read_yaml(
    path: Path, *, setting: str = "", allowed: str = "", as_written: bool = False
) -> dict[str, Any]:
    """Return the keys and values of a YAML file.

    Args:
        path: path of the file.
        setting: name of the setting that names the file, for messages.
        allowed: description of a valid file, for messages.
        as_written: whether to return every value as text, also where YAML would read a number.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has no keys.
    """
    name = f"{setting} {path}".strip()
    remedy = f"; allowed: {allowed}" if allowed else ""
    try:
        loader = yaml.BaseLoader if as_written else yaml.SafeLoader
        content = yaml.load(_tame(read_regular(path).decode()), loader)
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror or error}{remedy}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # RecursionError: deep nesting
        reason = " ".join(str(error).split())
        raise ConfigError(f"{name} is not YAML: {reason}{remedy}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name} holds no KEY: VALUE lines{remedy}")
    return content


def nesting(text: str, opening: str, closing: str) -> int:
    """Return the maximum nesting of brackets in a text."""
    depth = deepest = 0
    for character in text:
        depth += (character in opening) - (character in closing)
        deepest = max(deepest, depth)
    return deepest


def _tame(text: str) -> str:
    """Return a YAML text unchanged after checking that a parser reads it in bounded time.

    Raises:
        ValueError: brackets are nested too deeply, or aliases expand to too many values.
    """
    if nesting(text, "[{", "]}") > MOST_BRACKETS:
        raise ValueError(f"brackets are nested more than {MOST_BRACKETS} deep")
    _count(yaml.compose(text, yaml.SafeLoader), {})
    try:
        yaml.load(text, yaml.SafeLoader)
    except (AttributeError, LookupError, TypeError, OverflowError) as error:
        # PyYAML stumbles over a value that does not fit its tag, such as "!!timestamp x".
        raise ValueError(f"a value does not fit its tag ({type(error).__name__})") from error
    return text


def _count(node: yaml.Node | None, sizes: dict[int, int]) -> int:
    """Return the number of values in a YAML node, with every alias expanded.

    Args:
        node: node of the file.
        sizes: counts so far by id of the node; 0 while a node is being counted.

    Raises:
        ValueError: there are too many values, or a value contains itself.
    """
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise ValueError("an alias is used inside its own value")
        return sizes[id(node)]
    sizes[id(node)] = 0
    below: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        below = [each for pair in node.value for each in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    size = 1 + sum(_count(each, sizes) for each in below)
    if size > MOST_VALUES:
        raise ValueError(f"it has more than {MOST_VALUES:,} values with aliases expanded")
    sizes[id(node)] = size
    return size


def require_tame(path: Path) -> None:
    """Check that another parser (Hydra's) can read a YAML file in bounded time.

    A file that is not YAML passes: the other parser reports it.

    Raises:
        ConfigError: brackets are nested too deeply, or aliases expand to too many values.
    """
    try:
        _tame(read_regular(path).decode(errors="replace"))
    except yaml.YAMLError:
        return
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{path}: {reason}") from error


def not_utf8(config_dir: Path | None) -> str:
    """Return the path of the first YAML file in a user's folder that is not UTF-8.

    If every file is UTF-8, return "a configuration file".
    """
    for path in sorted(config_dir.rglob("*.yaml") if config_dir else ()):
        try:
            read_regular(path).decode()
        except UnicodeDecodeError:
            return str(path)
    return "a configuration file"


def to_yaml(content: Mapping[str, Any]) -> str:
    """Return a mapping as the content of a YAML file, in the mapping's order."""

    def dumped(*, allow_unicode: bool) -> str:
        return yaml.safe_dump(
            dict(content), sort_keys=False, allow_unicode=allow_unicode, default_flow_style=None
        )

    text = dumped(allow_unicode=True)
    return dumped(allow_unicode=False) if set(text) & set(LINE_BREAKS) else text
