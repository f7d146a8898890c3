"""The files of `xtransplant similarity`: parquet, table and figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from xtransplant.files import write_whole
from xtransplant.reporting.drawing import COLOURS, lettering, panels, save, written
from xtransplant.reporting.table import Table
from xtransplant.reporting.table_formats import write_table
from xtransplant.store.checksum import to_parquet

NAME = "similarity"
CURVES = {
    "same_question": "cosine, the same question in two languages",
    "other_questions": "cosine, different questions in one language",
    "nearest_is_same": "share whose nearest neighbour is the same question",
}


def write_similarity(rows: Sequence[Mapping[str, Any]], title: str, folder: Path) -> Iterator[Path]:
    """Write the figures of a model; yield each file.

    Args:
        rows: one for each language, module and layer.
        title: task, split and model.
        folder: where the files go.

    Raises:
        OutputError: a file cannot be written.
    """
    frame = pd.DataFrame(list(rows))
    path = folder / f"{NAME}.parquet"
    write_whole(path, to_parquet(pa.Table.from_pandas(frame, preserve_index=False)))
    yield path
    note = (
        "Cosines of activations at the last prompt token: of the same question in the pivot and in "
        "the language, and of different questions in the language. Nearest is same: share of "
        "prompts whose nearest neighbour in the other language is the same question."
    )
    table = Table(NAME, "What activations share", note, frame, ("nearest_is_same",))
    yield from write_table(table, folder)
    yield from _draw(frame, title, folder)


def _draw(frame: pd.DataFrame, title: str, folder: Path) -> Iterator[Path]:
    """Draw one panel for each language and module, over layers."""
    groups = list(frame.groupby(["language", "module"], sort=False))
    with lettering([title, *frame["language"], *frame["pivot"]]):
        figure, axes = panels(len(groups), frame["module"].nunique(), 2.4, 1.9)
        for (names, rows), panel in zip(groups, axes, strict=True):
            for (column, label), colour in zip(CURVES.items(), COLOURS, strict=False):
                panel.plot(rows["layer"], rows[column], color=colour, label=label, linewidth=1.2)
            panel.axhline(
                1 / rows["n"].iloc[0], color="0.6", linestyle=":", label="that share by chance"
            )
            panel.set_title(written(" ".join(map(str, names))))
            panel.set_ylim(min(-0.05, 1.1 * rows[list(CURVES)].min().min()), 1.05)
            panel.set_xlabel("layer")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        figure.suptitle(written(title), fontsize=9)
        yield from save(figure, folder, NAME)
