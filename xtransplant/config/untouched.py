"""Runs of the untouched model: its answers alone (`grid=none`), or samples (`control=samples`).

They know neither module nor intervention: one run stands beside all modules.
"""

from __future__ import annotations

from math import isfinite

from xtransplant.config.schema import RunConfig
from xtransplant.errors import ConfigError

SAMPLES = "samples"
"""The control whose answers are drawn from the untouched model; its cells only number the tries."""
UNTOUCHED = "untouched"
"""Stands in the place of the module, in paths and tables."""


def is_untouched(config: RunConfig) -> bool:
    """Return whether nothing is written in a run."""
    return config.grid.untouched or config.control == SAMPLES


def require_sense(config: RunConfig) -> None:
    """Check the settings of such runs.

    Raises:
        ConfigError: cells or a control with `grid=none`, or a temperature without samples.
    """
    grid, temperature = config.grid, config.decode.temperature
    if grid.untouched and (
        grid.source_layers or grid.target_layers or grid.pairs or grid.file or grid.stride != 1
    ):
        raise ConfigError(f"grid={grid.name} has no cells, and cells are given; leave out one")
    if grid.untouched and config.control != "none":
        raise ConfigError(
            f"control={config.control} has no effect with grid={grid.name}, which has no cells; "
            "allowed: control=none; or choose another grid"
        )
    if not (isfinite(temperature) and temperature > 0):
        raise ConfigError(
            f"bad value {temperature:g} for decode.temperature; allowed: a number above 0"
        )
    if temperature != 1 and config.control != SAMPLES:
        raise ConfigError(
            f"decode.temperature={temperature:g} has no effect without control=samples, since "
            "decoding is greedy; allowed: 1"
        )
