"""The report of a study: overview, tables, figures and a page, made from parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from xtransplant.analysis.equivalence import MARGIN
from xtransplant.analysis.load import Runs
from xtransplant.analysis.study import Study, load_study
from xtransplant.errors import OutputError
from xtransplant.files import write_whole
from xtransplant.reporting.curves import draw_languages, draw_layer_curves, draw_tries
from xtransplant.reporting.findings import findings
from xtransplant.reporting.heatmaps import draw_heatmaps, draw_modules
from xtransplant.reporting.overview import OVERVIEW, overview, remarks_on
from xtransplant.reporting.page import write_page
from xtransplant.reporting.table import StudyRows, Table
from xtransplant.reporting.table_formats import write_table
from xtransplant.reporting.tables import tables_of

Draw = Callable[[Study, Path], Iterator[Path]]

FIGURES: tuple[Draw, ...] = (
    *(draw_heatmaps, draw_layer_curves, draw_tries, draw_languages, draw_modules),
)
"""Functions that draw F1 to F5; a new figure takes a function and a line here."""
PAGE = "page.html"
MANY = 12
"""Experiments for which it pays to start processes that draw."""


@dataclass(frozen=True)
class Report:
    """A written report.

    Attributes:
        tables: tables of the report.
        findings: what the primary family shows, one line each.
        remarks: remarks that a reader must know about the runs, one line each.
    """

    tables: Sequence[Table]
    findings: Sequence[str]
    remarks: Sequence[str]


def write_report(
    paths: Sequence[Path],
    folder: Path,
    on_file: Callable[[Path], None],
    *,
    with_page: bool = True,
    margin: float = MARGIN,
) -> Report:
    """Write an overview and all tables and figures of the runs below some folders.

    Args:
        paths: folders of runs of any tasks, models, modules and controls. Unfinished runs appear
            only on the page, with their finished parts.
        folder: folder to write to; created if missing.
        on_file: callback for each written file.
        with_page: whether the page is written too; it holds every text of the runs.
        margin: the smallest difference that counts, 0 to 1.

    Raises:
        OutputError: there is no finished experiment, the runs may not be compared, or the folder
            cannot be written.
    """
    study = load_study(paths, margin)
    _require_experiments(study, paths)
    rows = StudyRows(study)
    tables, found, remarks = tables_of(rows), findings(rows), remarks_on(study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / OVERVIEW, overview(study, tables, found, remarks).encode())
        on_file(folder / OVERVIEW)
        for table in tables:
            for path in write_table(table, folder):
                on_file(path)
        for path in _figures(study, folder):
            on_file(path)
        with_cells = [one.run for one in study.outcomes if one.cells]
        if with_page and with_cells:  # the page shows cells
            runs = [*with_cells, *(one.run for one in study.left_out)]
            write_page(Runs(runs), folder / PAGE, remarks, found)
            on_file(folder / PAGE)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder}: {error.strerror or error}; choose another --out"
        ) from error
    return Report(tables, found, remarks)


def _figures(study: Study, folder: Path) -> Iterator[Path]:
    """Write all figures; those of many runs on several cores, a kind of figure on each."""
    if len(study.experiments) < MANY:
        yield from (path for draw in FIGURES for path in draw(study, folder))
        return
    # Processes of their own, not copies of this one, which has threads.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for made in as_completed([pool.submit(_drawn, draw, study, folder) for draw in FIGURES]):
            yield from made.result()


def _drawn(draw: Draw, study: Study, folder: Path) -> list[Path]:
    return list(draw(study, folder))


def _require_experiments(study: Study, paths: Sequence[Path]) -> None:
    if any(one.identity.is_experiment for one in study.outcomes):
        return
    left_out = f" (left out: {study.left_out[0]})" if study.left_out else ""
    raise OutputError(
        f"{paths[0]} has only controls; give the folder of their experiment, too{left_out}"
    )
