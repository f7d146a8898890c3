"""The results of a finished run in the terminal: a table by language, and the folder."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from xtransplant.store.receipts import Receipt
from xtransplant.terminal import Column, Console, percent
from xtransplant.types import LanguageSummary


def show_results(receipt: Receipt, console: Console) -> None:
    """Show the results of a finished run."""
    show_summary(receipt.summary, receipt.n_cells, console)
    console.write(f"results: {receipt.folder}")


def show_summary(rows: Sequence[LanguageSummary], n_cells: int, console: Console) -> None:
    """Show baseline, best fixed cell and upper bound, by language and as macro average.

    Args:
        rows: summaries of one language or more.
        n_cells: number of cells the best cell and the upper bound were chosen from.
        console: the terminal.
    """
    tries = "try" if n_cells == 1 else "tries"
    console.columns(
        [
            Column("language", [row.language for row in rows], "macro average"),
            Column("n", [str(row.n) for row in rows], str(sum(row.n for row in rows)), right=True),
            _shares("baseline", [row.baseline_accuracy for row in rows]),
            _shares("best\nfixed cell", [row.best_cell_accuracy for row in rows]),
            Column("its\nlayers", [str(row.best_cell) for row in rows], dim=True),
            _shares("upper\nbound", [row.upper_bound_accuracy for row in rows]),
        ],
        "Best fixed cell and upper bound are optimistic: both look at the gold answers and "
        f"keep the best of {n_cells} {tries}.",
    )


def _shares(heading: str, shares: Sequence[float]) -> Column:
    return Column(heading, [percent(share) for share in shares], percent(fmean(shares)), right=True)
