"""Runs on disk, as data frames."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.errors import OutputError
from xtransplant.store.columns import to_frame
from xtransplant.store.manifest import MANIFEST, find_runs
from xtransplant.store.manifest_file import read_manifest
from xtransplant.store.part_file import reading
from xtransplant.store.part_names import gone_line, require_no_strays, unwritten_parts
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.run_identity import RunIdentity

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("task", "model", "module")
"""The axes of a run that all frames begin with; the run key follows."""


@dataclass(frozen=True)
class Run:
    """One run: its folder and its identity."""

    folder: RunFolder
    identity: RunIdentity

    def labelled(self, table: pa.Table) -> pa.Table:
        """Return a table with the columns `task`, `model`, `module` and `key` added in front."""
        labels = {name: getattr(self.identity, name) for name in LABELS}
        for position, (name, label) in enumerate((labels | {"key": self.folder.key}).items()):
            column = pa.repeat(pa.scalar(label), len(table))
            table = table.add_column(position, name, column)
        return table


@dataclass(frozen=True, eq=False)
class Runs:
    """Every run below a folder; each frame is read on first use.

    All frames begin with the columns `task`, `model`, `module` and `key` (run key). Then follow:

    - `generations`: `instance_id`, `language`, `source_language`, `target_language`, `control`,
      `source_layer`, `target_layer` (Int16, 0..N-1, null for the baseline), `text`, `n_tokens`,
      `finish` ("eos" or "length"), `answer` (null if none could be read), `correct`,
      `option_logprobs` (natural logarithms, or null);
    - `instances`: `instance_id`, `language`, `control`, `gold`, `baseline_answer`,
      `baseline_correct`, `n_cells`, `n_correct`, `n_distinct_answers`, `upper_bound_correct`,
      `source_fixed_correct`, `target_fixed_correct` (a bool for each source or target layer of the
      grid, ascending), and, if the data have categories, `category` (CS and CA of Global MMLU,
      countries, or your own);
    - `pairs`: `language`, `control`, `source_layer`, `target_layer`, `n`, `n_correct`, `accuracy`,
      `baseline_accuracy` (0 to 1), `n_gained`, `n_lost`.

    For an unfinished run, `generations` has the finished parts; the other frames leave the run out
    with a UserWarning. Reading a damaged file raises OutputError.
    """

    runs: Sequence[Run]

    @cached_property
    def generations(self) -> pd.DataFrame:
        """One row per run, instance and cell, baselines included."""
        return to_frame(
            pa.concat_tables(
                [run.labelled(run.folder.read_generations_table()) for run in self.runs]
            )
        )

    @cached_property
    def instances(self) -> pd.DataFrame:
        """One row per run and instance: the upper-bound view."""
        return self._read("instances.parquet", _with_category)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row per run, language and cell: the fixed-layer view."""
        return self._read("pairs.parquet")

    def _read(
        self, name: str, extended: Callable[[Run, pa.Table], pa.Table] = lambda _run, table: table
    ) -> pd.DataFrame:
        tables = []
        for run in self.runs:
            path = run.folder.path / name
            if not path.exists():
                status = run.folder.read_manifest().status
                # Level 4 is the caller's line, above the property, its cache and this function.
                warnings.warn(
                    f"left out {path.parent}: no {name}, status {status}; run the same command "
                    "again, which makes it",
                    stacklevel=4,
                )
                continue
            with reading(path):
                tables.append(run.labelled(extended(run, pq.read_table(path))))
        if not tables:
            raise OutputError(
                f"no {name} in {self.runs[0].folder.path} or any other of {len(self.runs)} runs; "
                "run the same command again to finish"
            )
        return to_frame(pa.concat_tables(tables, promote_options="default"))


def _with_category(run: Run, table: pa.Table) -> pa.Table:
    """Append the category of each instance if any instance has one."""
    labels = {(each.language, each.id): each.category for each in run.folder.read_instances()}
    if not any(labels.values()):
        return table
    names = zip(*(table[name].to_pylist() for name in ("language", "instance_id")), strict=True)
    return table.append_column("category", pa.array(map(labels.get, names), pa.string()))


def load_runs(path: str | Path) -> Runs:
    """Find all runs below a folder, or the run in that folder, and return their files as frames.

    Args:
        path: folder such as "outputs" or "outputs/xnli", or the folder of a single run.

    Returns:
        The runs, sorted by path; see `Runs` for the columns.

    Raises:
        OutputError: the folder does not exist, or no run in it can be read. If only some runs
            cannot be read, they are left out with a UserWarning. Another UserWarning names a part
            of a finished run that is gone.
    """
    root = Path(path)
    if not root.is_dir():
        raise OutputError(f"no folder {str(root)!r}; give the output_root of a run or a part of it")
    runs, odd = [], []
    for folder in find_runs(root):
        try:
            runs.append(_run(folder))
        except OutputError as error:
            odd.append(error)
    if not runs:
        raise odd[0]
    for fault in odd:  # one odd folder does not hide the others
        warnings.warn(f"left out a run: {fault}", stacklevel=2)
    for run in runs:
        manifest = run.folder.read_manifest()
        gone = unwritten_parts(run.folder.path / "generations", manifest.n_parts)
        if gone and manifest.status == "done":
            warnings.warn(f"{run.folder.path}: {gone_line(gone)}", stacklevel=2)
    return Runs(runs)


def _run(path: Path) -> Run:
    manifest = read_manifest(path)
    require_no_strays(path / "generations", manifest.n_parts)
    try:
        return Run(RunFolder(path, manifest.key), RunIdentity.read(manifest.config))
    except (KeyError, ValueError) as error:
        raise OutputError(
            f"{path / MANIFEST} does not say which task, model and module ran "
            f"({str(error).strip(chr(39))}); run the same command again"
        ) from error
