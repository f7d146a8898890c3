"""Gains by language family, resource class and category of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from xtransplant.analysis.contrasts import average, difference
from xtransplant.analysis.language_table import Language, language
from xtransplant.analysis.measures import Measured, measured
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import contrast_columns, figure, with_bh

Names = npt.NDArray[np.str_]


def _of_language(fact: Callable[[Language], str]) -> Callable[[Measured], Names]:
    def names(found: Measured) -> Names:
        about = {name: language(name) for name in found.outcomes.languages}
        facts = {name: fact(known) if known else "" for name, known in about.items()}
        return np.array([facts[name] for name in found.outcomes.language.tolist()])

    return names


GROUPINGS: dict[str, Callable[[Measured], Names]] = {
    "language family": _of_language(lambda about: about.family),
    "resource class": _of_language(lambda about: str(about.resource_class)),
    "category": lambda found: found.outcomes.category,
}
"""By name: the group of each instance, "" for none."""


def _rows(study: Study) -> list[Record]:
    return with_bh(
        [
            row
            for one in study.experiments
            for found in measured(study, one)
            for by, grouping in GROUPINGS.items()
            for row in _of(study, found, by, grouping(found))
        ]
    )


def _of(study: Study, found: Measured, by: str, group: Names) -> Iterator[Record]:
    for name in sorted(set(group.tolist()) - {""}):
        part = found.rows_at(group == name)
        scope = average(study, part.outcomes)
        yield {
            **study.labels(part.outcomes),
            "measure": part.measure,
            "by": by,
            "group": name,
            "languages": len(part.outcomes.languages),
            "n": scope.n,
            **figure("baseline", scope.interval(part.outcomes.baseline)),
            **figure("accuracy", scope.interval(part.right)),
            **contrast_columns(difference(scope, part.right, part.outcomes.baseline)),
            "p_bh": None,
        }


GROUPS_TABLE = TableDefinition(
    name="groups",
    title="Gains by language family, resource class and category",
    note=(
        "Macro averages over the languages of a group. Families after Glottolog, resource classes "
        "by Joshi et al. 2020 (5: most data), categories as the data have them. p_bh: Benjamini "
        "and Hochberg within task, split and model."
    ),
    rows=lambda rows: _rows(rows.study),
    percent=("baseline", "accuracy", "difference"),
)
