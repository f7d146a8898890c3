"""The verdicts of scorers as files.

    generations/<part>      `answer` and `correct` of one scorer, whose label is in the metadata
    scores/<label>/<part>   the verdicts of each scorer that ever judged the part, with `value`
    scores/<label>.json     the arguments of a scorer, if it has any

A label consists of name and version, such as "paper-2", and of a digest of the arguments if there
are any, such as "regex-1-5b0e2a9c". A part's verdicts are written before the part itself, so every
part that exists has its verdicts.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xtransplant.errors import OutputError
from xtransplant.files import clear_leftovers, read_regular, write_unless_same, writing
from xtransplant.store.columns import Row, part_table, scorer_of, verdicts_table
from xtransplant.store.part_file import fault_of, reading
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Score

if TYPE_CHECKING:
    import pyarrow as pa

    from xtransplant.scoring.scorer import Scorer


def write_judged_part(
    folder: RunFolder, language: str, block: int, control: str, rows: Sequence[Row]
) -> None:
    """Write the verdicts of each scorer, then the part itself; see `RunFolder.write_part`."""
    part = part_table(rows, control, folder.key)
    name = folder.part_path(language, block).name
    # A part that was lost and is computed again may have other texts than those judged earlier.
    for kept in folder.path.glob("scores/*/"):
        clear_leftovers(kept / name)
        with writing(kept / name):
            (kept / name).unlink(missing_ok=True)
    for label in rows[0].scores:
        write_verdicts(folder, name, part, label, [row.scores[label] for row in rows])
    folder.write_part(language, block, control, rows)


def write_verdicts(
    folder: RunFolder, name: str, part: pa.Table, label: str, scores: Sequence[Score]
) -> None:
    """Write a scorer's verdicts on a part; `label` names the scorer, `name` the part's file."""
    folder.write_table(f"scores/{label}/{name}", verdicts_table(part, label, scores))


def verdicts_path(folder: RunFolder, label: str, name: str) -> Path:
    """Return the path of a scorer's verdicts on the part with the file name `name`."""
    return folder.path / "scores" / label / name


def keep_settings(folder: RunFolder, scorers: Sequence[Scorer]) -> None:
    """Write the arguments of scorers beside their verdicts, where a reader can look them up."""
    for scorer in scorers:
        if scorer.arguments:
            facts = {
                "setting": scorer.setting,
                "name": scorer.name,
                "version": scorer.version,
                "arguments": dict(scorer.arguments),
            }
            content = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
            write_unless_same(folder.path / "scores" / f"{scorer.label}.json", content.encode())


def require_verdicts(folder: RunFolder, scorers: Sequence[Scorer]) -> None:
    """Check that the finished parts hold the verdicts that a run asks for.

    Args:
        folder: folder of the run; it need not exist.
        scorers: scorers of the run; the first one's verdicts are in the parts, the others' in
            `scores/`.

    Raises:
        OutputError: a part holds verdicts of another scorer, version or arguments, or lacks some;
            the message has the command that fixes this.
    """
    setting = "scorer=" + ",".join(scorer.setting for scorer in scorers)
    mend = f"xtransplant rescore {folder.path} {shlex.quote(setting)}"
    first, *others = (scorer.label for scorer in scorers)
    for path in folder.parts():
        if folder.fault_at(path):  # the run sets it aside
            continue
        with folder.part(path) as part:
            found = scorer_of(part.schema_arrow)
        if found != first:
            raise OutputError(
                f"{path} holds verdicts of scorer {found}, this run asks for {first}; to "
                f"replace them without a GPU: {mend}"
            )
        for label in others:
            if not verdicts_path(folder, label, path.name).exists():
                raise OutputError(
                    f"{folder.path} has no verdicts of scorer {label} on {path.name}; to add "
                    f"them without a GPU: {mend}"
                )
        for label in (first, *others):
            place = verdicts_path(folder, label, path.name)
            # Folders of version 0.0 keep no verdicts of the first scorer beside the parts.
            if place.parent.is_dir() and (fault := _fault_of_verdicts(folder, place)):
                raise OutputError(f"{place} {fault}; to make it again without a GPU: {mend}")


def _fault_of_verdicts(folder: RunFolder, path: Path) -> str | None:
    """Return what is wrong with a file of verdicts on a part; None if it is sound."""
    with reading(path):
        try:
            content = read_regular(path)
        except FileNotFoundError:
            return "is gone"
    return fault_of(content, folder.key)


def scorer_setting(folder: RunFolder) -> object:
    """Return the scorers in a run's configuration: a name, a call, or a list of them."""
    return folder.read_manifest().config["task"]["scorer"]


def scorers_with_values(folder: RunFolder, languages: Sequence[str]) -> list[str]:
    """Return the labels of the scorers that give values, and judged all parts of some languages."""
    names = [path.name for path in folder.parts(languages)]
    found = []
    for place in sorted((folder.path / "scores").glob("[!.]*/")):
        paths = [place / name for name in names]
        if names and all(path.exists() for path in paths) and _has_values(folder, paths[0]):
            found.append(place.name)
    return found


def _has_values(folder: RunFolder, path: Path) -> bool:
    """Return whether a file of verdicts has a value, from its statistics alone."""
    with folder.part(path) as part:
        column = part.metadata.schema.names.index("value")
        groups = [part.metadata.row_group(number) for number in range(part.num_row_groups)]
        nulls = [(group.column(column).statistics, group.num_rows) for group in groups]
        return any(
            known is None or known.null_count is None or known.null_count < n for known, n in nulls
        )


def read_values(folder: RunFolder, label: str, languages: Sequence[str]) -> pa.Table:
    """Return instance, language, cell and value of a scorer's verdicts on some languages."""
    import pyarrow as pa

    columns = ["instance_id", "language", "source_layer", "target_layer", "value"]
    tables = []
    for path in folder.parts(languages):
        place = verdicts_path(folder, label, path.name)
        with folder.part(place) as part, reading(place):
            tables.append(part.read(columns=columns))
    return pa.concat_tables(tables)
