"""A run's cells, and the file of selected pairs that `xtransplant select` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xtransplant.config.grid import resolve_cells
from xtransplant.config.schema import GridConfig
from xtransplant.errors import ConfigError
from xtransplant.types import Cell
from xtransplant.yaml_file import read_yaml, to_yaml

FORM = (
    "a file of xtransplant select, whose key pairs holds [source_layer, target_layer] by language"
)


def selected_pairs_yaml(facts: Mapping[str, str], pairs: Mapping[str, Cell], remark: str) -> str:
    """Return the content of a file of selected pairs.

    Args:
        facts: task, split, model, module and strategy of the selection.
        pairs: selected cell by language; the key "all" stands for all languages together.
        remark: text of the comment at the top of the file.
    """
    by_language = {name: [cell.source_layer, cell.target_layer] for name, cell in pairs.items()}
    comment = "".join(f"# {line}\n" for line in remark.splitlines())
    return comment + to_yaml({**facts, "pairs": by_language})


def run_cells(grid: GridConfig, n_layers: int) -> list[Cell]:
    """Return the cells of a run's grid, for a module of `n_layers` layers; none if untouched.

    Raises:
        ConfigError: `grid.file` cannot be read.
        LayerError: as for `config.grid.resolve_cells`.
    """
    if grid.untouched:
        return []
    pairs = read_pairs(Path(grid.file)) if grid.file else grid.pairs
    return resolve_cells(n_layers, grid.source_layers, grid.target_layers, grid.stride, pairs)


def read_pairs(path: Path) -> list[list[int]]:
    """Return the distinct pairs of a file, for all languages of a run alike.

    So the run key does not depend on the languages that a command names.

    Raises:
        ConfigError: the file cannot be read, or does not contain pairs.
    """
    pairs = read_yaml(path, setting="grid.file", allowed=FORM).get("pairs")
    if not isinstance(pairs, dict) or not pairs:
        raise ConfigError(f"grid.file {path} has no pairs; allowed: {FORM}")
    for language, pair in pairs.items():
        if not isinstance(pair, list) or [type(layer) for layer in pair] != [int, int]:
            raise ConfigError(
                f"grid.file {path} has {pair!r} for {language}; allowed: "
                "[source_layer, target_layer] such as [16, 4]"
            )
    return [list(pair) for pair in dict.fromkeys(map(tuple, pairs.values()))]
