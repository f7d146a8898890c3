"""The report of a study: overview, tables, figures and a page, made from parquet alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xtransplant.analysis.load import Runs
from xtransplant.analysis.study import Study, load_study
from xtransplant.errors import OutputError
from xtransplant.files import write_whole
from xtransplant.reporting.curves import draw_languages, draw_layer_curves, draw_tries
from xtransplant.reporting.heatmaps import draw_heatmaps, draw_modules
from xtransplant.reporting.overview import OVERVIEW, overview, remarks_on
from xtransplant.reporting.page import write_page
from xtransplant.reporting.table import Table
from xtransplant.reporting.table_formats import write_table
from xtransplant.reporting.tables import all_tables

FIGURES: tuple[Callable[[Study, Path], Iterator[Path]], ...] = (
    *(draw_heatmaps, draw_layer_curves, draw_tries, draw_languages, draw_modules),
)
"""F1 to F5; a new figure is a function and a line here."""
PAGE = "page.html"


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        tables: the tables.
        remarks: what a reader must know of the runs, one line each.
    """

    tables: Sequence[Table]
    remarks: Sequence[str]


def write_report(paths: Sequence[Path], folder: Path, on_file: Callable[[Path], None]) -> Report:
    """Write an overview and all tables and figures of the runs below some folders.

    Args:
        paths: folders of runs of any tasks, models, modules and controls. Of an unfinished run
            only the page has the finished parts.
        folder: folder to write to; a missing one is made.
        on_file: callback for each written file.

    Raises:
        OutputError: there is no finished experiment, the runs may not be compared, or the folder
            cannot be written.
    """
    study = load_study(paths)
    _require_experiments(study, paths)
    tables, remarks = all_tables(study), remarks_on(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / OVERVIEW, overview(study, tables, remarks).encode())
        on_file(folder / OVERVIEW)
        for table in tables:
            for path in write_table(table, folder):
                on_file(path)
        for draw in FIGURES:
            for path in draw(study, folder):
                on_file(path)
        with_cells = [one.run for one in study.outcomes if one.cells]
        if with_cells:  # the page shows cells
            runs = [*with_cells, *(one.run for one in study.left_out)]
            write_page(Runs(runs), folder / PAGE, remarks)
            on_file(folder / PAGE)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}; choose another --out"
        ) from error
    return Report(tables, remarks)


def _require_experiments(study: Study, paths: Sequence[Path]) -> None:
    if any(one.identity.is_experiment for one in study.outcomes):
        return
    left_out = f" (left out: {study.left_out[0]})" if study.left_out else ""
    raise OutputError(
        f"{paths[0]} holds controls only; give the folder of their experiment too{left_out}"
    )
