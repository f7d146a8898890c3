"""What a table is: a definition that `tables.py` lists, and the frame made of it for one study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xtransplant.analysis.study import Study

Record = dict[str, Any]
"""One row: a figure's worth, with its interval as `<name>_low` and `<name>_high`, and its n."""


@dataclass(frozen=True, eq=False)
class Table:
    """One table of one study.

    Attributes:
        name: of its files.
        title: above it.
        note: below it, what a reader must know.
        frame: its rows.
        percent: columns that hold shares from 0 to 1 and are shown in percent.
    """

    name: str
    title: str
    note: str
    frame: pd.DataFrame
    percent: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TableDefinition:
    """How a table is made, for any study.

    Attributes:
        name: of its files, such as "T1_coarse".
        title: above it.
        note: below it, what a reader must know.
        rows: makes its rows, none where no run contributes; may ask for another table's rows.
        percent: columns that hold shares from 0 to 1 and are shown in percent.
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
    """The rows of a study's tables, each table's computed once."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._made: dict[str, Sequence[Record]] = {}

    def of(self, definition: TableDefinition) -> Sequence[Record]:
        """Return the rows of a table."""
        if definition.name not in self._made:
            self._made[definition.name] = definition.rows(self)
        return self._made[definition.name]
