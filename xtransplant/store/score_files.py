"""Which scorer's verdicts a run holds, and where those of every scorer are kept.

    generations/<part>        `answer` and `correct` by one scorer, named in the part's metadata
    scores/<scorer>/<part>    the verdicts of each scorer that ever judged the part, with `value`

A scorer is named with its version, "paper-2". Verdicts are written before the part whose rows they
are about, so those of a part that exists are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xtransplant.errors import OutputError
from xtransplant.files import clear_leftovers, writing
from xtransplant.store.columns import Row, part_table, scorer_of, verdicts_table
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Score

if TYPE_CHECKING:
    import pyarrow as pa


def write_judged_part(
    folder: RunFolder, language: str, block: int, control: str, rows: Sequence[Row]
) -> None:
    """Write a part, and before it the verdicts of each scorer; see `RunFolder.write_part`."""
    part = part_table(rows, control, folder.key)
    name = folder.part_path(language, block).name
    # A part that was lost and is made again may have other texts than its kept verdicts are on.
    for kept in folder.path.glob("scores/*"):
        clear_leftovers(kept / name)
        with writing(kept / name):
            (kept / name).unlink(missing_ok=True)
    for scorer in rows[0].scores:
        write_verdicts(folder, name, part, scorer, [row.scores[scorer] for row in rows])
    folder.write_part(language, block, control, rows)


def write_verdicts(
    folder: RunFolder, name: str, part: pa.Table, scorer: str, scores: Sequence[Score]
) -> None:
    """Keep a scorer's verdicts on the part of that file name."""
    folder.write_table(f"scores/{scorer}/{name}", verdicts_table(part, scorer, scores))


def verdicts_path(folder: RunFolder, scorer: str, name: str) -> Path:
    """Return where a scorer's verdicts on the part of that file name are kept."""
    return folder.path / "scores" / scorer / name


def require_verdicts(folder: RunFolder, scorers: Sequence[str]) -> None:
    """Check that the finished parts hold the verdicts that a run asks for.

    Args:
        folder: of the run; it need not exist.
        scorers: with their versions; the first is that of the parts, the others are kept beside.

    Raises:
        OutputError: they hold those of another scorer or version, or lack some; one line that
            gives the command to mend it.
    """
    names = ",".join(scorer.rpartition("-")[0] for scorer in scorers)
    mend = f"xtransplant rescore {folder.path} scorer={names}"
    for path in folder.parts():
        if folder.fault_at(path):  # the run sets it aside
            continue
        with folder.part(path) as part:
            found = scorer_of(part.schema_arrow)
        if found != scorers[0]:
            raise OutputError(
                f"{path} holds verdicts of scorer {found}, this run asks for {scorers[0]}; to "
                f"replace them without a GPU: {mend}"
            )
        for scorer in scorers[1:]:
            if not verdicts_path(folder, scorer, path.name).exists():
                raise OutputError(
                    f"{folder.path} has no verdicts of scorer {scorer} on {path.name}; to add "
                    f"them without a GPU: {mend}"
                )
