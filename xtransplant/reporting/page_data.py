"""Runs as the data of the page: one view for each run and language; each text is stored once.

A view has the numbers of `xtransplant.analysis.aggregate`, the intervals of the report's tables,
and the texts, answers and verdicts behind each number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from xtransplant.analysis.aggregate import INPUT, pairs_frame
from xtransplant.analysis.cut_off import CUT_OFF
from xtransplant.analysis.load import Run
from xtransplant.analysis.shares import share_intervals
from xtransplant.errors import OutputError
from xtransplant.store.run_identity import Pairing
from xtransplant.types import Cell, Instance

Ints = npt.NDArray[np.int64]

LABELS = ("task", "model", "module", "control", "split", "grid")
"""The axes of a run that the page shows."""
SIDES = ["source_layer", "target_layer"]
INTERVAL = "95 % interval (clusters of instances)"
"""The page's name for the intervals of `accuracies`."""


class Texts:
    """Stores each distinct text once; views refer to texts by position, with -1 for no text."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def encode(self, values: Iterable[str | None]) -> list[int]:
        """Return the position of each text; new texts are added."""
        codes, distinct = pd.factorize(pd.Series(values, dtype="str"))
        positions = [self._positions.setdefault(text, len(self._positions)) for text in distinct]
        encoded: list[int] = np.array([*positions, -1], dtype=np.int64)[codes].tolist()
        return encoded

    def decoded(self) -> list[str]:
        """Return the texts in order of position."""
        return list(self._positions)


def accuracies(correct: Ints, clusters: Sequence[str]) -> dict[str, list[Any]]:
    """Return the accuracy of each row of verdicts with its 95 % interval, 0 to 1.

    Args:
        correct: verdicts, 1 or 0, of shape (rows, instances).
        clusters: cluster of each instance.
    """
    found = share_intervals(correct.T, np.unique(clusters, return_inverse=True)[1])
    return {
        "n_correct": correct.sum(axis=1).tolist(),
        "accuracy": np.round(found.estimate, 6).tolist(),
        "low": np.round(found.low, 6).tolist(),
        "high": np.round(found.high, 6).tolist(),
    }


def views_of(run: Run, texts: Texts) -> list[dict[str, Any]]:
    """Return the views of a run for the page, one for each language, as JSON values.

    Args:
        run: run; if it is unfinished, its finished parts are used. One without cells has no views.
        texts: store of texts, to which those of the run are added.

    Returns:
        Views as `page.js` reads them. `text`, `answer` and `correct` are flat: first the baselines
        of all instances, then, for each cell in the order of `cells`, the values of all instances.
        `n_cut_off` has the numbers of baselines and of cells' answers that the token limit cut off.

    Raises:
        OutputError: a part cannot be read, or the rows do not form a grid.
    """
    generations = run.folder.read_generations(columns=[*INPUT, "text", "finish"])
    if generations.empty:
        return []
    pairs = pairs_frame(generations)
    if pairs.empty:
        return []
    instances = run.folder.read_instances()
    identity = replace(run.identity, cells=_cells(pairs))
    labels = {
        **{name: getattr(identity, name) for name in LABELS},
        "run": run.folder.key,
        "setting": _digest(identity.group(Pairing.CONTROL)),
        "any_module": _digest((identity.group(Pairing.UNTOUCHED), identity.cells)),
        "status": run.folder.read_manifest().status,
    }
    return [
        labels
        | _view(
            rows,
            pairs[pairs["language"] == language],
            [instance for instance in instances if instance.language == language],
            texts,
        )
        for language, rows in generations.groupby("language", sort=False)
    ]


def _cells(pairs: pd.DataFrame) -> tuple[Cell, ...]:
    layers = pairs[SIDES].drop_duplicates().sort_values(SIDES)
    return tuple(Cell(int(source), int(target)) for source, target in layers.to_numpy())


def _digest(value: Hashable) -> str:
    """Return a short text that is equal for equal values."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _view(
    rows: pd.DataFrame,
    pairs: pd.DataFrame,
    instances: list[Instance],
    texts: Texts,
) -> dict[str, Any]:
    n, n_cells = len(instances), len(pairs)
    ordered = _by_cell_and_instance(rows, instances, n_cells)
    correct: Ints = ordered["correct"].to_numpy(dtype=np.int64).reshape(n_cells + 1, n)
    cut_off = ordered["finish"].eq(CUT_OFF).to_numpy(dtype=bool)
    clusters = [instance.cluster or instance.id for instance in instances]
    return {
        "language": instances[0].language,
        "source_language": instances[0].source_language,
        "target_language": instances[0].target_language,
        "n": n,
        "baseline": accuracies(correct[:1], clusters),
        "upper_bound": accuracies(correct[1:].max(axis=0, keepdims=True), clusters),
        "cells": {
            "source_layer": pairs["source_layer"].tolist(),
            "target_layer": pairs["target_layer"].tolist(),
            "n_gained": pairs["n_gained"].tolist(),
            "n_lost": pairs["n_lost"].tolist(),
            **accuracies(correct[1:], clusters),
        },
        "instances": {
            "id": [instance.id for instance in instances],
            "source": texts.encode(instance.source for instance in instances),
            "target": texts.encode(instance.target for instance in instances),
            "gold": [texts.encode((instance.gold, *instance.aliases)) for instance in instances],
        },
        "n_cut_off": [int(cut_off[:n].sum()), int(cut_off[n:].sum())],
        "text": texts.encode(ordered["text"]),
        "answer": texts.encode(ordered["answer"]),
        "correct": correct.ravel().tolist(),
    }


def _by_cell_and_instance(
    rows: pd.DataFrame, instances: list[Instance], n_cells: int
) -> pd.DataFrame:
    """Sort rows by cell, baselines first, then by instance in the given order.

    `pairs_frame` has already refused repeated cells and baselines.
    """
    if len(rows) != len(instances) * (n_cells + 1):
        raise OutputError(
            f"language {instances[0].language} has {len(rows)} rows, not one baseline and "
            f"{n_cells} cells for each of {len(instances)} instances; remove the parts of this "
            "language and run the same command again"
        )
    position = {instance.id: position for position, instance in enumerate(instances)}
    return rows.assign(position=rows["instance_id"].map(position)).sort_values(
        [*SIDES, "position"], na_position="first"
    )
