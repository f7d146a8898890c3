"""From generations to the two views of a run: by instance (upper bound), by cell (fixed layer).

All functions are pure and vectorised; a million rows take seconds. The baseline is not a cell:
bounds and counts of cells do not include it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from xtransplant.errors import OutputError
from xtransplant.types import Cell, LanguageSummary

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

INPUT = ["language", "control", "instance_id", "source_layer", "target_layer", "answer", "correct"]
"""The columns of `generations` that the views are computed from."""
NO_CELL: tuple[Cell | None, float] = (None, 0.0)
"""The best cell of a run without cells, and its accuracy."""


def instances_frame(
    generations: pd.DataFrame, golds: Mapping[tuple[str, str], str]
) -> pd.DataFrame:
    """Return one row per instance: the upper-bound view.

    Args:
        generations: rows of one grid, with at least the columns `INPUT`; the layers of baselines
            are null.
        golds: gold answers by (language, instance id).

    Returns:
        The columns of `instances.parquet`, with instances in their order of appearance.
        `n_distinct_answers` counts the distinct answers of the cells; texts without a readable
        answer do not count, so it can be 0. `source_fixed_correct` tells for each source layer of
        the grid, in ascending order, whether any cell with that source layer is right.
        `target_fixed_correct` tells the same for target layers.

    Raises:
        OutputError: an instance does not have exactly one baseline row, or has a cell twice.
    """
    rows = split_baselines(generations)
    names = rows.instances[["language", "instance_id"]].itertuples(index=False, name=None)
    answers, distinct = pd.factorize(rows.cells["answer"])
    has_answer = answers >= 0
    answers_seen = np.unique(rows.instance[has_answer] * len(distinct) + answers[has_answer])
    n = len(rows.instances)
    n_correct = np.bincount(rows.instance[rows.correct], minlength=n)
    return pd.DataFrame(
        {
            "instance_id": rows.instances["instance_id"],
            "language": rows.instances["language"],
            "control": rows.instances["control"],
            "gold": [golds[name] for name in names],
            "baseline_answer": rows.instances["answer"],
            "baseline_correct": rows.instances["correct"],
            "n_cells": np.bincount(rows.instance, minlength=n),
            "n_correct": n_correct,
            "n_distinct_answers": np.bincount(answers_seen // max(len(distinct), 1), minlength=n),
            "upper_bound_correct": n_correct > 0,
            "source_fixed_correct": _any_by_layer(rows, "source_layer"),
            "target_fixed_correct": _any_by_layer(rows, "target_layer"),
        }
    )


def pairs_frame(generations: pd.DataFrame) -> pd.DataFrame:
    """Return one row per language and cell: the fixed-layer view.

    Args:
        generations: as for `instances_frame`.

    Returns:
        The columns of `pairs.parquet`, by language in order of appearance, then by source and
        target layer. `n_gained` counts instances that are right with the cell and wrong without,
        `n_lost` the reverse.

    Raises:
        OutputError: an instance does not have exactly one baseline row, or has a cell twice.
    """
    rows = split_baselines(generations)
    baseline = rows.instances["correct"].to_numpy(dtype=bool)[rows.instance]
    judged = pd.DataFrame(
        {
            "language": rows.cells["language"],
            "control": rows.cells["control"],
            "source_layer": rows.cells["source_layer"],
            "target_layer": rows.cells["target_layer"],
            "correct": rows.correct,
            "baseline": baseline,
            "gained": rows.correct & ~baseline,
            "lost": ~rows.correct & baseline,
        }
    )
    # Categories, because groupby would sort plain names of languages.
    order = pd.unique(judged["language"])
    judged["language"] = pd.Categorical(judged["language"], categories=order)
    pairs = (
        judged.groupby(
            ["language", "control", "source_layer", "target_layer"], sort=True, observed=True
        )
        .agg(
            n=("correct", "size"),
            n_correct=("correct", "sum"),
            accuracy=("correct", "mean"),
            baseline_accuracy=("baseline", "mean"),
            n_gained=("gained", "sum"),
            n_lost=("lost", "sum"),
        )
        .reset_index()
    )
    pairs["language"] = pairs["language"].astype(str)
    return pairs


def summarise(instances: pd.DataFrame, pairs: pd.DataFrame) -> list[LanguageSummary]:
    """Return one row per language from the two views of one run, which may have no cells.

    If cells tie for the highest accuracy, the best cell is the one with the smallest target layer,
    then the one with the largest source layer.
    """
    ranked = pairs.sort_values(
        ["accuracy", "target_layer", "source_layer"], ascending=[False, True, False]
    )
    first = ranked.drop_duplicates("language")
    best = {
        language: (Cell(int(source), int(target)), float(accuracy))
        for language, source, target, accuracy in zip(
            first["language"],
            first["source_layer"],
            first["target_layer"],
            first["accuracy"],
            strict=True,
        )
    }
    highest = pairs.groupby("language")["accuracy"].transform("max")
    n_best = pairs[pairs["accuracy"] == highest]["language"].value_counts()
    return [
        LanguageSummary(
            language=str(language),
            n=len(rows),
            baseline_accuracy=float(rows["baseline_correct"].mean()),
            best_cell=best.get(language, NO_CELL)[0],
            best_cell_accuracy=best.get(language, NO_CELL)[1],
            upper_bound_accuracy=float(rows["upper_bound_correct"].mean()),
            n_best_cells=int(n_best.get(language, 0)),
        )
        for language, rows in instances.groupby("language", sort=False)
    ]


@dataclass(frozen=True, eq=False)
class SplitRows:
    """Generations split into baselines and cells.

    Attributes:
        instances: baseline rows, one for each instance, in order of appearance.
        cells: the other rows.
        instance: index into `instances` of each row of `cells`.
        correct: whether each row of `cells` is right.
    """

    instances: pd.DataFrame
    cells: pd.DataFrame
    instance: Ints
    correct: Bools


def split_baselines(generations: pd.DataFrame) -> SplitRows:
    """Split the rows of one grid into baselines and cells.

    Raises:
        OutputError: an instance does not have exactly one baseline row, or has a cell twice.
    """
    names = ["language", "control", "instance_id"]
    instance: Ints = generations.groupby(names, sort=False).ngroup().to_numpy().astype(np.int64)
    is_baseline = generations["source_layer"].isna().to_numpy(dtype=bool)
    baselines, cells = generations[is_baseline], generations[~is_baseline]
    found = np.bincount(instance[is_baseline], minlength=int(instance.max(initial=-1)) + 1)
    for wrong in np.flatnonzero(found != 1)[:1]:
        first = generations[instance == wrong].iloc[0]
        raise OutputError(
            f"instance {first['instance_id']} ({first['language']}) has {found[wrong]} baseline "
            "rows; allowed: 1; remove its part and run the same command again"
        )
    rows = SplitRows(
        instances=baselines.iloc[np.argsort(instance[is_baseline])].reset_index(drop=True),
        cells=cells.reset_index(drop=True),
        instance=instance[~is_baseline],
        correct=cells["correct"].to_numpy(dtype=bool),
    )
    _require_distinct_cells(rows)
    return rows


def _require_distinct_cells(rows: SplitRows) -> None:
    source, target = (
        rows.cells[side].to_numpy(dtype=np.int64) for side in ("source_layer", "target_layer")
    )
    n_layers = max(int(source.max(initial=0)), int(target.max(initial=0))) + 1
    codes = (rows.instance * n_layers + source) * n_layers + target
    ordered = np.sort(codes)  # many times faster than np.unique
    if (ordered[1:] == ordered[:-1]).any():
        first = rows.cells[pd.Series(codes).duplicated().to_numpy()].iloc[0]
        raise OutputError(
            f"instance {first['instance_id']} ({first['language']}) has cell "
            f"{first['source_layer']},{first['target_layer']} more than once; "
            "remove its part and run the same command again"
        )


def _any_by_layer(rows: SplitRows, side: str) -> list[list[bool]]:
    layers, layer = np.unique(rows.cells[side].to_numpy(dtype=np.int64), return_inverse=True)
    any_correct = np.zeros((len(rows.instances), len(layers)), dtype=bool)
    any_correct[rows.instance[rows.correct], layer[rows.correct]] = True
    return any_correct.tolist()
