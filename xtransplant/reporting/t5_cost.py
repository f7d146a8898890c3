"""T5: the cost of a fixed cell in practical use, compared with the model alone."""

from __future__ import annotations

from collections.abc import Iterator

from xtransplant.analysis.contrasts import scopes
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.store.recorded_cost import RecordedCost


def _rows(study: Study) -> Iterator[Record]:
    for one in study.experiments:
        if one.cost is None:
            continue
        for which, number in _cells(study, one):
            yield {**study.labels(one), **_costs(one, one.cost, which, number)}


def _cells(study: Study, one: Outcomes) -> list[tuple[str, int]]:
    """Return (name, column) of the cells that get a row.

    In a grid, these are the cheapest cell, the best one, and the most expensive one.
    """
    if not one.is_grid:
        return [("given", number) for number in range(len(one.cells))]
    sources = [cell.source_layer for cell in one.cells]
    names = {sources.index(min(sources)): "lowest source layer"}
    found = [("highest source layer", sources.index(max(sources)))]
    if one.correct.any():
        average = list(scopes(study, one))[0 if len(one.languages) == 1 else -2]
        found.insert(0, ("best cell", int(average.mean(one.correct).argmax())))
    for name, number in found:
        names[number] = f"{names[number]}; {name}" if number in names else name
    return [(name, number) for number, name in names.items()]


def _costs(one: Outcomes, cost: RecordedCost, which: str, number: int) -> Record:
    n, cell = cost.n_instances, one.cells[number]
    prompt_tokens = float(one.baseline_tokens.mean())
    cell_tokens = float(one.cell_tokens[:, number].mean())
    prompt = cost.prompt_flops(prompt_tokens)
    fixed = cost.cell_flops(cell.source_layer, cell_tokens)
    return {
        "which": which,
        "cell": str(cell),
        "n": n,
        "source_tokens": cost.source_tokens / n,
        "target_tokens": cost.target_tokens / n,
        "baseline_new_tokens": prompt_tokens,
        "cell_new_tokens": cell_tokens,
        "baseline_flops": prompt,
        "cell_flops": fixed,
        "relative_cost": None if prompt is None or fixed is None else fixed / prompt,
        "cells": len(one.cells),
        "grid_new_tokens": float(one.cell_tokens.sum(1).mean()),
        "grid_flops": cost.grid_flops / n,
    }


T5 = TableDefinition(
    name="T5_cost",
    title="Cost per instance of a fixed cell in use",
    note=(
        "FLOPs are estimated from the model's parameters and the tokens generated. A fixed cell "
        "reads the source prompt up to its source layer and decodes no baseline; relative cost is "
        "to the target prompt alone. Grid FLOPs are those of the whole measurement, as in the dry "
        "run: baseline and all cells, each with as many tokens as the limit allows. A write at "
        "every step costs a cell in use no product more; in a grid, rows then share a layer less."
    ),
    rows=lambda rows: list(_rows(rows.study)),
)
