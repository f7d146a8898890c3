"""A table's definition, as listed in `tables.py`, and the table of one study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xtransplant.analysis.study import Study

Record = dict[str, Any]
"""One row, by column; the interval of column `<name>` is in `<name>_low` and `<name>_high`."""


@dataclass(frozen=True, eq=False)
class Table:
    """One table of one study.

    Attributes:
        name: name of its files.
        title: title above the table.
        note: explanation below the table.
        frame: rows of the table.
        percent: columns with shares from 0 to 1 that are shown in percent.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    percent: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TableDefinition:
    """The definition of a table for any study.

    Attributes:
        name: name of its files, such as "T1_coarse".
        title: title above the table.
        note: explanation below the table.
        rows: function that returns the rows; it may use another table's rows.
        percent: columns with shares from 0 to 1 that are shown in percent.
        hidden: columns of the rows that only other tables use.
    """

    name: str
    title: str
    note: str
    rows: Callable[[StudyRows], Sequence[Record]]
    percent: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()

    def table(self, rows: StudyRows) -> Table:
        """Return the table of a study."""
        frame = pd.DataFrame(rows.of(self))
        shown = frame.drop(columns=[name for name in self.hidden if name in frame])
        return Table(self.name, self.title, self.note, shown, self.percent)


class StudyRows:
    """The rows of a study's tables; those of each table are computed only once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._made: dict[str, Sequence[Record]] = {}

    def of(self, definition: TableDefinition) -> Sequence[Record]:
        """Return the rows of a table."""
        if definition.name not in self._made:
            self._made[definition.name] = definition.rows(self)
        return self._made[definition.name]
