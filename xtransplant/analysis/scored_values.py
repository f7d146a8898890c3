"""The degrees of agreement that some scorers give beside right and wrong, as arrays.

Examples are F1 of words, and 1 less the distance from people's answers. They stand with each
scorer's verdicts (`xtransplant.store.score_files`).

Shapes: I instances, V cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.store.score_files import read_values, scorers_with_values
from xtransplant.types import Cell


@dataclass(frozen=True, eq=False)
class ScoredValues:
    """The values of one scorer, 0 to 1.

    Attributes:
        scorer: its label, name and version.
        names: language and id of each instance.
        baseline: value of the untouched model's answer, [I].
        cells: value of each cell's answer, [I, V].
    """

    scorer: str
    names: Sequence[tuple[str, str]]
    baseline: Floats
    cells: Floats

    def of_instances(self, one: Outcomes) -> ScoredValues:
        """Return the values of some of the run's instances, in their order."""
        places = {name: place for place, name in enumerate(self.names)}
        rows = [places[name] for name in one.names]
        return replace(self, names=one.names, baseline=self.baseline[rows], cells=self.cells[rows])


def scored_values(one: Outcomes) -> Iterator[ScoredValues]:
    """Yield the values of each scorer that gives some, for every instance and cell of a run.

    Raises:
        OutputError: a file of verdicts cannot be read.
    """
    folder = one.run.folder
    rows = {name: row for row, name in enumerate(one.names)}
    columns = {cell: number for number, cell in enumerate(one.cells)}
    for scorer in scorers_with_values(folder, one.languages):
        values = np.full((len(rows), len(columns) + 1), np.nan)
        table = read_values(folder, scorer, one.languages).to_pydict()
        for name, language, source, target, value in zip(*table.values(), strict=True):
            column = -1 if source is None else columns[Cell(source, target)]
            values[rows[language, name], column] = np.nan if value is None else value
        if not np.isnan(values).any():
            yield ScoredValues(scorer, one.names, values[:, -1], values[:, :-1])
