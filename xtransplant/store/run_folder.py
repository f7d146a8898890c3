"""A run's folder: its parts and its manifest.

    manifest.json                            resolved config, key, versions, status
    generations/<language>-<block>.parquet   one row per (instance, cell), the baseline included
    scores/                                  each scorer's verdicts, see `score_files`
    instances.parquet, pairs.parquet         views of the rows, see `view_files`
    .leases/                                 which process computes which part, see `leases`
    .set_aside/                              damaged or foreign parts, kept for the user

A part holds a block of instances of one language. A file gets its final name only when it is
complete (`files`), and contains its own checksum (`checksum`). All parts have the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.config import primary_family
from xtransplant.errors import OutputError
from xtransplant.files import (
    clear_leftovers,
    clear_old_leftovers,
    require_own_folders,
    set_aside,
    write_whole,
)
from xtransplant.store.checksum import to_parquet
from xtransplant.store.columns import (
    GENERATIONS,
    Row,
    columns_to_write,
    instances_of,
    part_table,
    require_one_scorer,
    scorer_of,
    to_frame,
    with_columns,
)
from xtransplant.store.disk_reserve import free_reserve, keep_reserve
from xtransplant.store.leases import Leases
from xtransplant.store.manifest import (
    MANIFEST,
    Manifest,
    Status,
    git_commit,
    now,
    package_versions,
)
from xtransplant.store.manifest_file import earlier_manifest, read_manifest, require_run
from xtransplant.store.part_file import fault_at, open_part, reading
from xtransplant.store.part_names import part_language, part_name, require_no_strays
from xtransplant.types import Instance

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run key; creating the object touches no file.

    Every method raises OutputError if a file cannot be read or written, or belongs to another key.
    """

    path: Path
    key: str

    @property
    def leases(self) -> Leases:
        """The leases of this folder: which process works on which part."""
        return Leases(self.path / ".leases")

    def open_or_create(self, config: dict[str, Any], n_parts: Mapping[str, int]) -> None:
        """Create the folder, or check that it is this run's; set the status to running.

        Args:
            config: resolved configuration, as plain dicts, lists and scalars.
            n_parts: number of parts of each language of this command.
        """
        require_run(self.path, self.key)
        require_own_folders(self.path)
        with self._locked_manifest():
            clear_leftovers(self.path / MANIFEST)
            manifest = earlier_manifest(self.path, self.key) or Manifest(
                key=self.key, config=config, primary_family=primary_family.VERSION
            )
            manifest = replace(
                manifest,
                config=config,
                n_parts={**manifest.n_parts, **n_parts},
                columns=columns_to_write(self.path, manifest.columns, self._schema_of_a_part()),
                status="running",
                reason=None,
                updated=now(),
            )
            require_no_strays(self.path / "generations", manifest.n_parts)
            self.leases.clear_dead()
            clear_old_leftovers(self.path)
            # Before the manifest: on a full disk without the reserve, "running" would stay in it.
            keep_reserve(self.path)
            try:
                self.write_manifest(manifest)
            except OutputError:
                free_reserve(self.path)
                raise

    @contextmanager
    def running(self) -> Iterator[None]:
        """Set the manifest's status at the end of the work inside: done, failed or missing.

        A run stopped by the user or a scheduler is "missing"; only an `Exception` is a failure.
        """
        try:
            yield
        except BaseException as error:
            text = " ".join(str(error).split())
            reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
            with suppress(OutputError):  # a full disk must not hide the original error
                free_reserve(self.path)
                self.leases.give_back_all()
                self._note_end("failed" if isinstance(error, Exception) else "missing", reason)
            raise
        self._note_end("missing", None)

    def read_manifest(self) -> Manifest:
        """Read `manifest.json`."""
        return read_manifest(self.path)

    def write_manifest(self, manifest: Manifest) -> None:
        """Write `manifest.json`."""
        write_whole(self.path / MANIFEST, manifest.to_json().encode())

    def update_manifest(self, **changes: Any) -> None:
        """Change fields of the manifest, see `xtransplant.store.manifest.Manifest`."""
        with self._locked_manifest():
            self.write_manifest(replace(self.read_manifest(), **changes, updated=now()))

    def add_work(
        self, timings: Mapping[str, float], cost: Mapping[str, float | None] | None = None
    ) -> None:
        """Add seconds to the manifest's timings, and the cost of a part to its cost."""
        with self._locked_manifest():
            self.write_manifest(self.read_manifest().with_work(timings, cost or {}))

    def note_environment(self, device: str) -> None:
        """Record the hardware, package versions and commit of this process in the manifest."""
        self.update_manifest(
            device=device,
            versions=package_versions(),
            git_commit=git_commit(),
        )

    def part_path(self, language: str, block: int) -> Path:
        """Return the path of a part."""
        return self.path / "generations" / f"{part_name(language, block)}.parquet"

    def exists(self, language: str, block: int) -> bool:
        """Return whether a part has a file; `fault` checks its content."""
        return self.part_path(language, block).exists()

    def is_done(
        self, language: str, block: int, instances: Sequence[Instance] | None = None
    ) -> bool:
        """Return whether a part exists and is sound; arguments are as for `fault`."""
        return self.exists(language, block) and self.fault(language, block, instances) is None

    def fault(
        self, language: str, block: int, instances: Sequence[Instance] | None = None
    ) -> str | None:
        """Return what is wrong with a part's file; None if it is sound or does not exist.

        `instances` are the instances that it must hold; None skips this check.
        """
        return self.fault_at(self.part_path(language, block), instances)

    def fault_at(self, path: Path, instances: Sequence[Instance] | None = None) -> str | None:
        """Do what `fault` does, for the path of a part."""
        return fault_at(path, self.key, instances)

    def set_aside(self, language: str, block: int) -> Path | None:
        """Move a part's file to `.set_aside/`; return the new path, or None if there is no file."""
        return set_aside(self.part_path(language, block), self.path / ".set_aside")

    def is_complete(self, language: str) -> bool:
        """Return whether all parts of a language exist."""
        n_parts = self.read_manifest().n_parts.get(language, 0)
        return n_parts > 0 and all(self.exists(language, block) for block in range(n_parts))

    def complete_languages(self) -> list[str]:
        """Return the languages whose parts all exist, of this command and earlier ones."""
        return [each for each in sorted(self.read_manifest().n_parts) if self.is_complete(each)]

    def write_part(self, language: str, block: int, control: str, rows: Sequence[Row]) -> None:
        """Write a part with the columns of the folder.

        Args:
            language: language of all instances.
            block: number of the block, from 0.
            control: name of the control, "none" for the experiment itself.
            rows: baseline and cells of each instance, in the order of the instances.
        """
        name = f"generations/{part_name(language, block)}.parquet"
        columns = self.read_manifest().columns
        self.write_table(name, part_table(rows, control, self.key).select(columns))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a parquet file at a path inside the folder."""
        write_whole(self.path / name, to_parquet(table))

    def read_generations(
        self, languages: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the rows of all finished parts, sorted by language and block.

        Args:
            languages: languages to read; None for all.
            columns: columns of `GENERATIONS`; None for all. Those newer than the folder are null.
        """
        return to_frame(self.read_generations_table(languages, columns))

    def read_generations_table(
        self, languages: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Do what `read_generations` does, but return an Arrow table."""
        names = GENERATIONS.names if columns is None else list(columns)
        scorers = set()
        tables = [with_columns(GENERATIONS.empty_table(), names)]
        for path, part in self._each_part(languages):
            with reading(path):
                tables.append(with_columns(part.read(columns=names), names))
                scorers.add(scorer_of(part.schema_arrow))
        require_one_scorer(self.path, scorers)
        return pa.concat_tables(tables)

    def read_instances(self, languages: Sequence[str] | None = None) -> list[Instance]:
        """Return the instances of all finished parts, sorted by language and block."""
        instances = []
        for _, part in self._each_part(languages):
            instances += instances_of(part.schema_arrow)
        return instances

    def parts(self, languages: Sequence[str] | None = None) -> list[Path]:
        """Return the paths of the finished parts, sorted by language and block."""
        parts = sorted((self.path / "generations").glob("[!.]*.parquet"))
        if languages is None:
            return parts
        return [path for path in parts if part_language(path) in languages]

    def part(self, path: Path) -> AbstractContextManager[pq.ParquetFile]:
        """Open a part after checking it; read from it inside `reading(path)`."""
        return open_part(path, self.key)

    def _each_part(self, languages: Sequence[str] | None) -> Iterator[tuple[Path, pq.ParquetFile]]:
        """Open the finished parts one after the other; no instance may be in two of them."""
        place: dict[tuple[str, str], Path] = {}
        for path in self.parts(languages):
            with self.part(path) as part:
                for instance in instances_of(part.schema_arrow):
                    other = place.setdefault((instance.language, instance.id), path)
                    if other != path:
                        raise OutputError(
                            f"{other} and {path.name} both hold instance {instance.id}, so one is "
                            "a copy; run the same command again, which sets the copy aside and "
                            "makes what is lacking"
                        )
                yield path, part

    def _note_end(self, status: Status, reason: str | None) -> None:
        """Set the status at the end of this process, taking other processes into account."""
        with self._locked_manifest():
            manifest = self.read_manifest()
            if all(self.is_complete(language) for language in manifest.n_parts):
                status, reason = "done", None
                free_reserve(self.path)
            elif status == "missing" and self.leases.live():
                status = "running"
            elif status == "missing" and reason is None and manifest.status == "failed":
                status, reason = "failed", manifest.reason  # another process failed
            self.write_manifest(replace(manifest, status=status, reason=reason, updated=now()))

    def _schema_of_a_part(self) -> pa.Schema | None:
        for path in self.parts():
            if self.fault_at(path) is None:
                with self.part(path) as part:
                    return part.schema_arrow
        return None

    def _locked_manifest(self) -> AbstractContextManager[float]:
        return self.leases.lock("manifest")
