"""A run as arrays of verdicts.

The main array has a row for each instance and a column for each cell; its values are right or
wrong. Other arrays hold the baseline and the clusters. All numbers of a report are computed from
these arrays, without the texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from xtransplant.analysis.aggregate import INPUT, SplitRows, split_baselines
from xtransplant.analysis.cut_off import CUT_OFF
from xtransplant.analysis.load import Run
from xtransplant.errors import OutputError
from xtransplant.store.columns import scorer_of
from xtransplant.store.recorded_cost import RecordedCost
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.run_identity import RunIdentity
from xtransplant.tasks.authors import recovered_cluster
from xtransplant.types import Cell, Instance

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


OF_INSTANCES = (
    *("language", "instance", "cluster", "content", "source", "baseline", "correct"),
    *("baseline_unparsable", "n_unparsable", "n_distinct", "baseline_tokens", "cell_tokens"),
    *("baseline_cut_off", "n_cut_off", "gold", "drawn_gold", "category"),
)
"""The fields of `Outcomes` with a row for each instance."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The verdicts of one run. Shapes: I instances, V cells.

    Attributes:
        run: folder and identity; the identity includes the scorer and the cells.
        cost: cost of the run; None if the manifest lacks it.
        language: language of each instance, [I].
        instance: id of each instance, [I].
        cluster: cluster of each instance, or its id if it has none, [I].
        content: target prompt and gold answer, [I].
        source: source prompt, [I]; a control has other source prompts than its experiment.
        baseline: whether the baseline is right, [I].
        correct: whether each cell is right, [I, V].
        baseline_unparsable: whether the baseline's text has no readable answer, [I].
        n_unparsable: number of cells whose text has no readable answer, [I].
        n_distinct: number of distinct answers of the cells, [I].
        baseline_tokens: number of tokens generated for the baseline, [I].
        cell_tokens: number of tokens generated for each cell, [I, V].
        baseline_cut_off: whether the token limit cut the baseline's text off, [I].
        n_cut_off: number of cells whose text the token limit cut off, [I].
        gold: gold answer, [I].
        drawn_gold: gold answer of the question that a control drew; "" for none, [I].
        category: label of the data to group by; "" for none, [I].
    """

    run: Run
    cost: RecordedCost | None
    language: npt.NDArray[np.str_]
    instance: npt.NDArray[np.str_]
    cluster: npt.NDArray[np.str_]
    content: npt.NDArray[np.str_]
    source: npt.NDArray[np.str_]
    baseline: Bools
    correct: Bools
    baseline_unparsable: Bools
    n_unparsable: Ints
    n_distinct: Ints
    baseline_tokens: Ints
    cell_tokens: npt.NDArray[np.int16]
    baseline_cut_off: Bools
    n_cut_off: Ints
    gold: npt.NDArray[np.str_]
    drawn_gold: npt.NDArray[np.str_]
    category: npt.NDArray[np.str_]

    @property
    def identity(self) -> RunIdentity:
        """Return the identity of the run."""
        return self.run.identity

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Return the cell of each column, [V], sorted by source layer, then target layer."""
        return self.identity.cells

    @property
    def is_grid(self) -> bool:
        """Return whether the run has several cells that were not chosen by `select`."""
        return len(self.cells) > 1 and self.identity.grid_file is None

    @property
    def languages(self) -> list[str]:
        """Return the languages, in their order."""
        return list(dict.fromkeys(self.language.tolist()))

    @property
    def n_layers(self) -> int | None:
        """Return the model's number of layers; None if the manifest lacks it."""
        return self.cost.n_layers if self.cost else None

    @cached_property
    def cluster_codes(self) -> Ints:
        """Number of each instance's cluster, in order of name, [I]."""
        return np.unique(self.cluster, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def upper_bound(self) -> Bools:
        """Whether any cell is right, [I]."""
        return np.asarray(self.correct.any(1))

    def any_by_layer(self, side: str) -> tuple[list[int], Bools]:
        """Return the layers of one side, and whether any cell with each layer is right, [I, L]."""
        layers, layer = np.unique([getattr(cell, side) for cell in self.cells], return_inverse=True)
        columns = [self.correct[:, layer == number].any(1) for number in range(len(layers))]
        return layers.tolist(), np.stack(columns, axis=1)

    def only(self, language: str) -> Outcomes:
        """Return the rows of one language."""
        return self.rows_at(self.language == language)

    def aligned_with(self, other: Outcomes) -> Outcomes:
        """Return the rows of the instances of `other`, in its order; all must exist in this run."""
        rows = {name: row for row, name in enumerate(self.names)}
        return self.rows_at(np.array([rows[name] for name in other.names], dtype=np.int64))

    @cached_property
    def names(self) -> list[tuple[str, str]]:
        """Language and id of each instance."""
        return list(zip(self.language.tolist(), self.instance.tolist(), strict=True))

    def rows_at(self, chosen: Bools | Ints) -> Outcomes:
        """Return some of the rows, by mask or by index."""
        return replace(
            self,
            **{name: getattr(self, name)[chosen] for name in OF_INSTANCES},
        )


def read_outcomes(run: Run) -> Outcomes:
    """Read the complete languages of a run.

    Raises:
        OutputError: the run cannot be read, has no complete language, or lacks cells of the grid.
    """
    folder, manifest = run.folder, run.folder.read_manifest()
    languages = folder.complete_languages()
    if not languages:
        raise OutputError(
            f"{folder.path} has no complete language, status {manifest.status}; "
            "run the same command again to finish"
        )
    rows = split_baselines(folder.read_generations(languages, [*INPUT, "n_tokens", "finish"]))
    known = {(one.language, one.id): one for one in folder.read_instances(languages)}
    names = list(zip(rows.instances["language"], rows.instances["instance_id"], strict=True))
    cells, correct, tokens, unparsable, distinct = _matrices(run, rows)
    cut_off = rows.cells["finish"].eq(CUT_OFF).to_numpy(dtype=bool)
    identity = replace(run.identity, cells=cells, scorer=_scorer(folder, languages))
    return Outcomes(
        run=replace(run, identity=identity),
        cost=RecordedCost.read(manifest.cost),
        language=np.array([language for language, _ in names]),
        instance=np.array([name for _, name in names]),
        cluster=np.array([_cluster(run, known[name]) for name in names]),
        content=np.array([f"{known[name].target}\0{known[name].gold}" for name in names]),
        source=np.array([known[name].source for name in names]),
        baseline=rows.instances["correct"].to_numpy(dtype=bool),
        correct=correct,
        baseline_unparsable=rows.instances["answer"].isna().to_numpy(dtype=bool),
        n_unparsable=unparsable,
        n_distinct=distinct,
        baseline_tokens=rows.instances["n_tokens"].to_numpy(dtype=np.int64),
        cell_tokens=tokens,
        baseline_cut_off=rows.instances["finish"].eq(CUT_OFF).to_numpy(dtype=bool),
        n_cut_off=np.bincount(rows.instance[cut_off], minlength=len(names)),
        gold=np.array([known[name].gold for name in names]),
        drawn_gold=np.array([known[name].drawn_gold or "" for name in names]),
        category=np.array([known[name].category or "" for name in names]),
    )


def _matrices(
    run: Run, rows: SplitRows
) -> tuple[tuple[Cell, ...], Bools, npt.NDArray[np.int16], Ints, Ints]:
    """Return the cells, `correct`, `cell_tokens`, `n_unparsable`, `n_distinct` of `Outcomes`."""
    source, target = (
        rows.cells[side].to_numpy(dtype=np.int64) for side in ("source_layer", "target_layer")
    )
    # One number for each pair: sorting rows of two takes far longer.
    n_layers = 1 + int(target.max(initial=0))
    codes, cell = np.unique(source * n_layers + target, return_inverse=True)
    pairs = np.stack(np.divmod(codes, n_layers), axis=1)
    n = len(rows.instances)
    if len(rows.cells) != n * len(pairs):
        raise OutputError(
            f"{run.folder.path} has {len(rows.cells)} rows for {n} instances and {len(pairs)} "
            "cells; every instance needs every cell: remove its parts and run the command again"
        )
    correct = np.zeros((n, len(pairs)), dtype=bool)
    tokens = np.zeros((n, len(pairs)), dtype=np.int16)
    correct[rows.instance, cell] = rows.correct
    tokens[rows.instance, cell] = rows.cells["n_tokens"].to_numpy(dtype=np.int16)
    answers, distinct = pd.factorize(rows.cells["answer"])
    found = answers >= 0
    seen = np.unique(rows.instance[found] * max(len(distinct), 1) + answers[found])
    return (
        tuple(Cell(int(source), int(target)) for source, target in pairs),
        correct,
        tokens,
        np.bincount(rows.instance[~found], minlength=n),
        np.bincount(seen // max(len(distinct), 1), minlength=n),
    )


def _scorer(folder: RunFolder, languages: Sequence[str]) -> str:
    """Return the scorer of a run's verdicts, with its version; all parts have the same one."""
    path = folder.parts(languages)[0]
    with folder.part(path) as part:
        return scorer_of(part.schema_arrow)


def _cluster(run: Run, instance: Instance) -> str:
    """Return the cluster of an instance, or its id if it has none."""
    found = recovered_cluster(run.identity.task, run.identity.control, instance)
    return found or instance.id
