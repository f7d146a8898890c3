"""The report of a study: tables, figures and a page in one folder, made from parquet alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from xtransplant.analysis.load import Runs
from xtransplant.analysis.study import Study, load_study
from xtransplant.errors import OutputError
from xtransplant.reporting.curves import draw_languages, draw_layer_curves, draw_tries
from xtransplant.reporting.heatmaps import draw_heatmaps, draw_modules
from xtransplant.reporting.page import write_page
from xtransplant.reporting.table import Table
from xtransplant.reporting.table_formats import write_table
from xtransplant.reporting.tables import all_tables

FIGURES: tuple[Callable[[Study, Path], Iterator[Path]], ...] = (
    *(draw_heatmaps, draw_layer_curves, draw_tries, draw_languages, draw_modules),
)
"""F1 to F5; a new figure is a function and a line here."""
PAGE = "page.html"


def write_report(
    paths: Sequence[Path], folder: Path, on_file: Callable[[Path], None]
) -> list[Table]:
    """Write all tables and figures of the runs below some folders, and return the tables.

    Args:
        paths: folders of runs of any tasks, models, modules and controls.
        folder: folder to write to; a missing one is made.
        on_file: callback for each written file.

    Raises:
        OutputError: there is no run, the runs may not be compared, or the folder cannot be
            written.
    """
    study = load_study(paths)
    if not study.experiments:
        raise OutputError(
            f"{paths[0]} holds controls only; give the folder of their experiment too"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables = all_tables(study)
        for table in tables:
            for path in write_table(table, folder):
                on_file(path)
        for draw in FIGURES:
            for path in draw(study, folder):
                on_file(path)
        write_page(Runs([one.run for one in study.outcomes]), folder / PAGE)
        on_file(folder / PAGE)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}; choose another --out"
        ) from error
    return tables
