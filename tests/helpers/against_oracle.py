"""The comparison that the tests of exactness make: a grid beside the naive oracle."""

from collections.abc import Sequence
from functools import cache

from xtransplant.config.intervention import TRANSPLANT, Intervention
from xtransplant.engine import oracle
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import transplant_all
from xtransplant.models.families import Model
from xtransplant.types import Cell, ModuleType

NEW_TOKENS = 7

Prompts = tuple[Sequence[int], Sequence[int]]
"""A source and a target prompt."""


def naive(
    model: Model,
    prompts: Prompts,
    module: ModuleType | None = None,
    cell: Cell | None = None,
    intervention: Intervention = TRANSPLANT,
) -> tuple[int, ...]:
    """Return the oracle's tokens; those of the target prompt untouched without a cell."""
    return _naive(model, tuple(prompts[0]), tuple(prompts[1]), module, cell, intervention)


@cache
def _naive(
    model: Model,
    source: tuple[int, ...],
    target: tuple[int, ...],
    module: ModuleType | None,
    cell: Cell | None,
    intervention: Intervention,
) -> tuple[int, ...]:
    if module is None or cell is None:
        return oracle.generate(model, target, NEW_TOKENS)
    return oracle.transplant_cell(model, source, target, module, cell, NEW_TOKENS, intervention)


def assert_equals_oracle(
    model: Model,
    prompts: Prompts,
    module: ModuleType,
    pairs: Sequence[tuple[int, int]],
    size: int | None,
    intervention: Intervention = TRANSPLANT,
) -> None:
    """Compare every cell and the baseline, token for token."""
    request = Request(*prompts, module, pairs, intervention=intervention)
    (grid,) = transplant_all(model, [request], NEW_TOKENS, size)
    assert grid.cells == tuple(dict.fromkeys(Cell(*pair) for pair in pairs))
    assert grid.baseline.token_ids == naive(model, prompts)
    for cell, generation in grid.generations.items():
        assert generation.token_ids == naive(model, prompts, module, cell, intervention), cell
