"""A run's folder: its parts, its manifest, and how a file gets there whole.

It does not know how rows come about or what they add up to.

    manifest.json                            resolved config, key, versions, status
    generations/<language>-<block>.parquet   one row per (instance, cell), the baseline included
    scores/                                  see `verdicts`
    instances.parquet, pairs.parquet         what `analysis.aggregate` makes of them

A part holds a block of instances of one language. Every file is written to a temporary name beside
its place, synced and renamed: a part that exists is complete, whatever happened to its writer.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.columns import (
    GENERATIONS,
    INSTANCES,
    PAIRS,
    Row,
    from_frame,
    instances_of,
    key_of,
    part_table,
    require_one_scorer,
    scorer_of,
    to_frame,
    to_parquet,
)
from xtransplant.errors import OutputError
from xtransplant.manifest import Manifest, git_commit, now, package_versions
from xtransplant.types import Instance

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run key; making the object touches no file.

    Every method raises OutputError, in one line that names the file, where one cannot be read or
    written or belongs to another key.
    """

    path: Path
    key: str

    def open_or_create(self, config: dict[str, Any], n_parts: Mapping[str, int]) -> None:
        """Make the folder, or check that it is this run's; note in the manifest that it runs.

        Args:
            config: the resolved configuration, as plain dicts, lists and scalars.
            n_parts: of each language of this command, how many parts make it complete.
        """
        manifest = self._earlier_manifest() or Manifest(key=self.key, config=config)
        self.write_manifest(
            replace(
                manifest,
                config=config,
                n_parts={**manifest.n_parts, **n_parts},
                status="running",
                reason=None,
                updated=now(),
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Note in the manifest how the work inside ended: done, or failed and why."""
        try:
            yield
        except BaseException as error:
            text = " ".join(str(error).split())
            reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
            with suppress(OutputError):  # a full disk must not hide the error that comes first
                self.update_manifest(status="failed", reason=reason)
            raise
        self.update_manifest(status="done")

    def read_manifest(self) -> Manifest:
        """Return what `manifest.json` says."""
        return read_manifest(self.path)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write `manifest.json`."""
        _write(self.path / MANIFEST, manifest.to_json().encode())

    def update_manifest(self, **changes: Any) -> None:
        """Change fields of the manifest, see `xtransplant.manifest.Manifest`."""
        self.write_manifest(replace(self.read_manifest(), **changes, updated=now()))

    def note_environment(self, device: str, rows_per_batch: int) -> None:
        """Note in the manifest what computes the parts that are missing: hardware and versions."""
        self.update_manifest(
            device=device,
            rows_per_batch=rows_per_batch,
            versions=package_versions(),
            git_commit=git_commit(),
        )

    def part_path(self, language: str, block: int) -> Path:
        """Return where a part goes."""
        return self.path / "generations" / f"{language}-{block:04d}.parquet"

    def is_done(self, language: str, block: int) -> bool:
        """Return whether a part exists, which means that it is complete."""
        path = self.part_path(language, block)
        if not path.exists():
            return False
        with self.part(path):
            return True

    def complete_languages(self) -> list[str]:
        """Return the languages, of this command or an earlier one, that have all their parts."""
        return [
            language
            for language, n_parts in sorted(self.read_manifest().n_parts.items())
            if all(self.is_done(language, block) for block in range(n_parts))
        ]

    def write_part(self, language: str, block: int, control: str, rows: Sequence[Row]) -> None:
        """Write a part.

        Args:
            language: of all the instances.
            block: number of the block, from 0.
            control: name of the control, "none" for the experiment itself.
            rows: of each instance the baseline and every cell, instance after instance.
        """
        _write(self.part_path(language, block), to_parquet(part_table(rows, control, self.key)))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a parquet file at a path inside the folder."""
        _write(self.path / name, to_parquet(table))

    def read_generations(
        self, languages: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of all finished parts, by language and block.

        Args:
            languages: None for all there are.
            columns: None for all; layers are Int16, null for baselines.
        """
        return to_frame(self.read_generations_table(languages, columns))

    def read_generations_table(
        self, languages: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return what `read_generations` does, as an Arrow table."""
        names = GENERATIONS.names if columns is None else list(columns)
        scorers = set()
        tables = [pa.schema([GENERATIONS.field(name) for name in names]).empty_table()]
        for path in self.parts(languages):
            with self.part(path) as part, reading(path):
                tables.append(part.read(columns=names).replace_schema_metadata(None))
                scorers.add(scorer_of(part.schema_arrow))
        require_one_scorer(self.path, scorers)
        return pa.concat_tables(tables)

    def read_instances(self, languages: Sequence[str] | None = None) -> list[Instance]:
        """Return the instances of all finished parts, by language and block."""
        instances = []
        for path in self.parts(languages):
            with self.part(path) as part:
                instances += instances_of(part.schema_arrow)
        return instances

    def write_frames(self, instances: pd.DataFrame, pairs: pd.DataFrame) -> None:
        """Write `instances.parquet` and `pairs.parquet`."""
        self.write_table("instances.parquet", from_frame(instances, INSTANCES))
        self.write_table("pairs.parquet", from_frame(pairs, PAIRS))

    def parts(self, languages: Sequence[str] | None = None) -> list[Path]:
        """Return the files of the finished parts, by language and block; None for all languages."""
        parts = sorted((self.path / "generations").glob("[!.]*.parquet"))
        if languages is None:
            return parts
        return [path for path in parts if path.stem.rpartition("-")[0] in languages]

    @contextmanager
    def part(self, path: Path) -> Iterator[pq.ParquetFile]:
        """Open a part; read from it inside `reading(path)`."""
        with reading(path):
            part = pq.ParquetFile(path)
        with part:
            if (found := key_of(part.schema_arrow)) != self.key:
                raise OutputError(_of_another_key(path, found, self.key))
            yield part

    def _earlier_manifest(self) -> Manifest | None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Listed before the manifest is looked for: whoever starts beside us writes that first.
            others = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        if (self.path / MANIFEST).exists():
            manifest = self.read_manifest()
            if manifest.key != self.key:
                raise OutputError(_of_another_key(self.path, manifest.key, self.key))
            return manifest
        if others:
            raise OutputError(
                f"{self.path} holds {others[0]} but no {MANIFEST}, so it is not a run; "
                "move it away or choose another output_root"
            )
        return None


def read_manifest(run: Path) -> Manifest:
    """Return what `manifest.json` in a run's folder says.

    Raises:
        OutputError: it is missing, or no manifest.
    """
    path = run / MANIFEST
    with reading(path):
        return Manifest.from_json(path.read_text(encoding="utf-8"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Word what goes wrong while a result file is read.

    Raises:
        OutputError: it is missing, damaged, or not allowed to be read.
    """
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OutputError(
            f"cannot read {path}: {reason}; if it is damaged, remove it and run the same command "
            "again"
        ) from error


def _of_another_key(path: Path, found: str, expected: str) -> str:
    return (
        f"{path} belongs to run key {found or 'none'}, this run's is {expected}; "
        "move it away or choose another output_root"
    )


def _write(path: Path, content: bytes) -> None:
    """Write a whole file or none."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Word what goes wrong while a file of a run is written, replaced or removed.

    Raises:
        OutputError: the disk is full, or it is not allowed.
    """
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"disk full while writing {path}: free space and run the same command again; "
            "finished parts are kept"
        )
    return OutputError(
        f"cannot write {path}: {error.strerror or error}; choose an output_root that can be "
        "written, then run again"
    )
