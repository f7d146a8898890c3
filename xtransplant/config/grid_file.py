"""A run's cells, and the file in which `xtransplant select` hands pairs of layers to a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from xtransplant.config.grid import resolve_cells
from xtransplant.config.schema import GridConfig
from xtransplant.errors import ConfigError
from xtransplant.types import Cell

FORM = (
    "a file of xtransplant select, whose key pairs holds [source_layer, target_layer] by language"
)


def to_yaml(facts: Mapping[str, str], pairs: Mapping[str, Cell], remark: str) -> str:
    """Return the content of the file.

    Args:
        facts: what was chosen from: task, split, model, module, strategy.
        pairs: the cell of each language, or of "all".
        remark: a comment above it, one line each.
    """
    by_language = {name: [cell.source_layer, cell.target_layer] for name, cell in pairs.items()}
    comment = "".join(f"# {line}\n" for line in remark.splitlines())
    content = {**facts, "pairs": by_language}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return f"{comment}{text}"


def run_cells(grid: GridConfig, n_layers: int) -> list[Cell]:
    """List the cells that a run's grid has in a module of `n_layers` layers.

    Raises:
        ConfigError: `grid.file` cannot be read.
        LayerError: as `engine.grid.resolve_cells`.
    """
    pairs = read_pairs(Path(grid.file)) if grid.file else grid.pairs
    return resolve_cells(n_layers, grid.source_layers, grid.target_layers, grid.stride, pairs)


def read_pairs(path: Path) -> list[list[int]]:
    """Return the distinct pairs of a file; every language of a run gets all of them.

    So the run key does not hang on which languages a command names.

    Raises:
        ConfigError: no such file, or not of that form.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ConfigError(f"cannot read grid.file {path}: {reason}; allowed: {FORM}") from error
    pairs = content.get("pairs") if isinstance(content, dict) else None
    if not isinstance(pairs, dict) or not pairs:
        raise ConfigError(f"grid.file {path} has no pairs; allowed: {FORM}")
    for language, pair in pairs.items():
        if not isinstance(pair, list) or [type(layer) for layer in pair] != [int, int]:
            raise ConfigError(
                f"grid.file {path} has {pair!r} for {language}; allowed: "
                "[source_layer, target_layer] such as [16, 4]"
            )
    return [list(pair) for pair in dict.fromkeys(map(tuple, pairs.values()))]
