"""The results of a finished run on the terminal: a table by language, and the folder."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from xtransplant.analysis.cut_off import doubts
from xtransplant.store.receipts import Receipt
from xtransplant.terminal import Column, Console, percent
from xtransplant.types import LanguageSummary


def show_results(receipt: Receipt, console: Console, *, given: bool) -> None:
    """Show the results of a finished run; `given` as for `show_summary`."""
    show_summary(receipt.summary, receipt.n_cells, console, given=given)
    console.write(f"results: {receipt.folder}")


def show_summary(
    rows: Sequence[LanguageSummary], n_cells: int, console: Console, *, given: bool = False
) -> None:
    """Show baseline, best fixed cell and upper bound, by language and as macro average.

    For a single cell, only its accuracy is shown; without cells, only the baseline.

    Args:
        rows: summaries of one or more languages.
        n_cells: number of cells that the best cell and the upper bound were chosen from.
        console: console to show them on.
        given: whether the cells come from a file, such as one of `xtransplant select`.
    """
    columns = [
        Column("language", [row.language for row in rows], "macro average"),
        Column("n", [str(row.n) for row in rows], str(sum(row.n for row in rows)), right=True),
        _shares("baseline", [row.baseline_accuracy for row in rows]),
    ]
    best = [row.best_cell_accuracy for row in rows]
    if n_cells == 1:
        columns.append(_shares(f"cell\n{rows[0].best_cell}", best))
    elif n_cells > 1:
        columns += [
            _shares("best\nfixed cell", best),
            Column("its\nlayers", [_layers(row) for row in rows], dim=True),
            _shares("upper\nbound", [row.upper_bound_accuracy for row in rows]),
        ]
    console.columns(columns, "\n".join(_notes(rows, n_cells, given=given)))
    for warning in _doubts(rows):
        console.info(f"warning: {warning}")


def _notes(rows: Sequence[LanguageSummary], n_cells: int, *, given: bool) -> list[str]:
    """Return notes that a reader must know about the numbers, one line each."""
    notes = []
    if n_cells > 1:
        cells = f"{n_cells} given cells" if given else f"{n_cells} cells"
        notes.append(
            "Best fixed cell and upper bound are optimistic: both are chosen from "
            f"{cells} with the gold answers."
        )
    if tied := [row for row in rows if row.n_best_cells > 1 and row.best_cell_accuracy > 0]:
        counts = ", ".join(f"{row.language} {row.n_best_cells}" for row in tied)
        notes.append(f"Cells that tie for the best, of which one is shown: {counts} of {n_cells}.")
    if all(row.n_cut_off is not None for row in rows):
        n_cut_off, n_texts = _cut_off(rows)
        notes.append(
            f"Cut off by the token limit: {n_cut_off:,} of {n_texts:,} answers "
            f"({percent(n_cut_off / n_texts)})."
        )
    return notes


def _doubts(rows: Sequence[LanguageSummary]) -> list[str]:
    any_right = any(row.baseline_accuracy or row.upper_bound_accuracy for row in rows)
    return doubts(*reversed(_cut_off(rows)), any_right=any_right)


def _cut_off(rows: Sequence[LanguageSummary]) -> tuple[int, int]:
    """Return the number of answers that were cut off, and of all answers."""
    return sum(row.n_cut_off or 0 for row in rows), sum(row.n_texts for row in rows)


def _layers(row: LanguageSummary) -> str:
    """Return the layers of the best cell; "-" if no cell is ever right."""
    return str(row.best_cell) if row.best_cell_accuracy else "-"


def _shares(heading: str, shares: Sequence[float]) -> Column:
    return Column(heading, [percent(share) for share in shares], percent(fmean(shares)), right=True)
