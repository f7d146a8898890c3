"""The entries of `conf/`, one line each; read as plain YAML, because importing Hydra is slow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xtransplant.config.compose import entries
from xtransplant.config.schema import DTYPES
from xtransplant.errors import ConfigError, unknown
from xtransplant.registry import handlers
from xtransplant.types import Cell
from xtransplant.yaml_file import read_yaml

Line = tuple[str, ...]
"""The texts of one line of a list, one for each column."""

BYTES_PER_WEIGHT = handlers(
    "model.dtype", DTYPES, {"float32": 4, "bfloat16": 2, "float16": 2, "tf32": 4}
)
"""Bytes of a weight, by dtype."""


def listing(kind: str, config_dir: Path | None = None) -> tuple[Line, list[Line]]:
    """Return headings and rows for a kind such as "models"; see `KINDS`.

    Raises:
        ConfigError: an unknown kind, a file that is not YAML, or a bad `config_dir`.
    """
    if kind not in KINDS:
        raise ConfigError(unknown("kind", kind, KINDS, "as in 'xtransplant ls models'"))
    headings, describe = KINDS[kind]
    found = {
        name: read_yaml(path, allowed="an entry such as the shipped ones")
        for name, path in entries(kind.removesuffix("s"), config_dir).items()
    }
    names = sorted(found, key=lambda name: _by_size(name, found[name]))
    return headings, [(name, *describe(found[name])) for name in names]


def _by_size(name: str, entry: Mapping[str, Any]) -> tuple[str, int]:
    """Return a sort key by which models that differ only in size are ordered by size."""
    size = _about(entry).get("parameters")
    family = re.sub(r"-([\d.]+[bm]\d*|small|base|large|xl|xxl)\b.*", "", name)
    return (family, int(size)) if size else (name, 0)


def _about(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    about = entry.get("about")
    return about if isinstance(about, dict) else {}


def _model(entry: Mapping[str, Any]) -> Line:
    about, dtype = _about(entry), str(entry.get("dtype", "float32"))
    if "parameters" not in about:
        return "any" if entry.get("id") == "???" else "", "", "", "", "", ""
    n_parameters = int(about["parameters"])
    return (
        str(about.get("family", "")),
        f"{about.get('layers', ''):>6}",
        _count(n_parameters),
        _memory(n_parameters * BYTES_PER_WEIGHT.get(dtype, 4) / 2**30),
        "token" if about.get("gated") else "",
        str(about.get("licence", "")),
    )


def _count(n: int) -> str:
    text = f"{n / 1e9:.1f} B" if n >= 0.9995e9 else f"{n / 1e6:.{int(n < 1e7)}f} M"
    return f"{text:>7}"


def _memory(gibibytes: float) -> str:
    return f"{gibibytes:3.0f} GiB" if gibibytes >= 9.95 else f"{gibibytes:3.1f} GiB"


def _task(entry: Mapping[str, Any]) -> Line:
    return (
        " ".join(map(str, entry.get("languages", []))) or "those of its file",
        str(entry.get("size", "")),
        str(entry.get("direction", "???")),
        str(entry.get("scorer", "???")),
        str(entry.get("licence", "")),
    )


def _grid(entry: Mapping[str, Any]) -> Line:
    if entry.get("untouched"):
        return ("none: the untouched model alone",)
    if "pairs" in entry:
        pairs = entry["pairs"]
        if not pairs:
            return ("cells of your own: grid.pairs=[[16,4],[-1,0]]",)
        return (", ".join(str(Cell(*pair)) for pair in pairs),)
    stride = int(entry.get("stride", 1))
    axes = []
    for axis in ("source", "target"):
        if layers := entry.get(f"{axis}_layers"):
            axes.append(f"{axis} layers {', '.join(map(str, layers))}")
        elif stride == 1:
            axes.append(f"all {axis} layers")
        else:
            axes.append(f"{axis} layers 0, {stride}, {2 * stride}, …")
    return (" × ".join(axes),)


def _intervention(entry: Mapping[str, Any]) -> Line:
    return (" ".join(f"{key}={value}" for key, value in entry.items()),)


def _experiment(entry: Mapping[str, Any]) -> Line:
    settings = {
        group.removeprefix("override /"): value
        for default in entry.get("defaults", [])
        if isinstance(default, dict)
        for group, value in default.items()
    }
    settings |= {key: value for key, value in entry.items() if key != "defaults"}
    return (" ".join(f"{key}={value}" for key, value in settings.items()),)


KINDS: Mapping[str, tuple[Line, Callable[[Mapping[str, Any]], Line]]] = {
    "models": (("model", "family", "layers", "weights", "memory", "needs", "licence"), _model),
    "tasks": (
        ("task", "languages", "size", "direction", "scorer", "licence of the data"),
        _task,
    ),
    "grids": (("grid", "cells"), _grid),
    "interventions": (("intervention", "sets"), _intervention),
    "experiments": (("experiment", "sets"), _experiment),
}
