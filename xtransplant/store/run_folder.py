"""A run's folder: its parts and its manifest.

It does not know how rows come about or what they add up to.

    manifest.json                            resolved config, key, versions, status
    generations/<language>-<block>.parquet   one row per (instance, cell), the baseline included
    scores/                                  see `verdicts`
    instances.parquet, pairs.parquet         what `analysis.aggregate` makes of them
    .leases/                                 who works on which part, see `leases`
    .set_aside/                              files that were no parts, for the user to look at

A part holds a block of instances of one language. A file is under its name only if it was written
whole (`files`), and tells whether it still is (`seal`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.errors import OutputError
from xtransplant.files import clear_leftovers, set_aside, write_unless_same, write_whole, writing
from xtransplant.store.checksum import to_parquet
from xtransplant.store.columns import (
    GENERATIONS,
    INSTANCES,
    PAIRS,
    Row,
    from_frame,
    instances_of,
    part_table,
    require_one_scorer,
    scorer_of,
    to_frame,
)
from xtransplant.store.disk_reserve import free_reserve, keep_reserve
from xtransplant.store.leases import Leases
from xtransplant.store.manifest import MANIFEST, Manifest, Status, git_commit, now, package_versions
from xtransplant.store.part_file import fault_of, open_part, part_name, reading
from xtransplant.types import Instance

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run key; making the object touches no file.

    Every method raises OutputError, in one line that names the file, where one cannot be read or
    written or belongs to another key.
    """

    path: Path
    key: str

    @property
    def leases(self) -> Leases:
        """Who works on what in this folder."""
        return Leases(self.path / ".leases")

    def open_or_create(self, config: dict[str, Any], n_parts: Mapping[str, int]) -> None:
        """Make the folder, or check that it is this run's; note in the manifest that it runs.

        Args:
            config: the resolved configuration, as plain dicts, lists and scalars.
            n_parts: of each language of this command, how many parts make it complete.
        """
        self._require_run()
        with self._locked_manifest():
            clear_leftovers(self.path / MANIFEST)
            manifest = self._earlier_manifest() or Manifest(key=self.key, config=config)
            n_parts = {**manifest.n_parts, **n_parts}
            changes: dict[str, Any] = {"config": config, "n_parts": n_parts, "reason": None}
            keep_reserve(self.path)  # first: without it a full disk would leave "running" behind
            try:
                self.write_manifest(replace(manifest, status="running", updated=now(), **changes))
            except OutputError:
                free_reserve(self.path)
                raise

    @contextmanager
    def running(self) -> Iterator[None]:
        """Note in the manifest how the work inside ended: done, failed and why, or parts missing.

        What the user or a scheduler stopped (any exception that is no `Exception`) did not fail.
        """
        try:
            yield
        except BaseException as error:
            text = " ".join(str(error).split())
            reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
            with suppress(OutputError):  # a full disk must not hide the error that comes first
                free_reserve(self.path)
                self.leases.give_back_all()
                self._note_end("failed" if isinstance(error, Exception) else "missing", reason)
            raise
        self._note_end("missing", None)

    def read_manifest(self) -> Manifest:
        """Return what `manifest.json` says."""
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
        """Add to the manifest's timings, and what a part cost."""
        with self._locked_manifest():
            self.write_manifest(self.read_manifest().with_work(timings, cost or {}))

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
        return self.path / "generations" / f"{part_name(language, block)}.parquet"

    def exists(self, language: str, block: int) -> bool:
        """Return whether a part has a file, which was written whole; `fault` looks inside."""
        return self.part_path(language, block).exists()

    def is_done(
        self, language: str, block: int, instances: Sequence[Instance] | None = None
    ) -> bool:
        """Return whether a part exists and has no fault; arguments as for `fault`."""
        return self.exists(language, block) and self.fault(language, block, instances) is None

    def fault(
        self, language: str, block: int, instances: Sequence[Instance] | None = None
    ) -> str | None:
        """Return what is wrong with a part's file, None if nothing is or there is no file.

        `instances` are those it must be of; None where the plan is not known.
        """
        return self.fault_at(self.part_path(language, block), instances)

    def fault_at(self, path: Path, instances: Sequence[Instance] | None = None) -> str | None:
        """Return what `fault` does, of a part's file."""
        with reading(path):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                return None
        return fault_of(content, self.key, instances)

    def set_aside(self, language: str, block: int) -> Path | None:
        """Move a part's file to `.set_aside/`; return its place, None if there is no file."""
        return set_aside(self.part_path(language, block), self.path / ".set_aside")

    def is_complete(self, language: str) -> bool:
        """Return whether a language, of this command or an earlier one, has all its parts."""
        n_parts = self.read_manifest().n_parts.get(language, 0)
        return n_parts > 0 and all(self.exists(language, block) for block in range(n_parts))

    def complete_languages(self) -> list[str]:
        """Return the languages, of this command or an earlier one, that have all their parts."""
        return [each for each in sorted(self.read_manifest().n_parts) if self.is_complete(each)]

    def write_part(self, language: str, block: int, control: str, rows: Sequence[Row]) -> None:
        """Write a part.

        Args:
            language: of all the instances.
            block: number of the block, from 0.
            control: name of the control, "none" for the experiment itself.
            rows: of each instance the baseline and every cell, instance after instance.
        """
        name = f"generations/{part_name(language, block)}.parquet"
        self.write_table(name, part_table(rows, control, self.key))

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a parquet file at a path inside the folder."""
        write_whole(self.path / name, to_parquet(table))

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
        """Write `instances.parquet` and `pairs.parquet`, unless they say the same already."""
        for name, frame, columns in (("instances", instances, INSTANCES), ("pairs", pairs, PAIRS)):
            write_unless_same(self.path / f"{name}.parquet", to_parquet(from_frame(frame, columns)))

    def parts(self, languages: Sequence[str] | None = None) -> list[Path]:
        """Return the files of the finished parts, by language and block; None for all languages."""
        parts = sorted((self.path / "generations").glob("[!.]*.parquet"))
        if languages is None:
            return parts
        return [path for path in parts if path.stem.rpartition("-")[0] in languages]

    def part(self, path: Path) -> AbstractContextManager[pq.ParquetFile]:
        """Open a part after checking it; read from it inside `reading(path)`."""
        return open_part(path, self.key)

    def _note_end(self, status: Status, reason: str | None) -> None:
        """Note how this process ended, unless the parts say otherwise."""
        with self._locked_manifest():
            manifest = self.read_manifest()
            if all(self.is_complete(language) for language in manifest.n_parts):
                status, reason = "done", None
                free_reserve(self.path)
            elif status == "missing" and self.leases.live():
                status = "running"
            elif status == "missing" and reason is None and manifest.status == "failed":
                status, reason = "failed", manifest.reason  # another process did
            self.write_manifest(replace(manifest, status=status, reason=reason, updated=now()))

    def _locked_manifest(self) -> AbstractContextManager[float]:
        return self.leases.lock("manifest")

    def _require_run(self) -> None:
        """Make the folder; refuse one that holds something else."""
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            # Listed before the manifest is looked for: whoever starts beside us writes that first.
            others = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
        if not others or (self.path / MANIFEST).exists():
            return
        if all(self.fault_at(path) for path in self.parts()):  # else a manifest was lost, no run
            raise OutputError(
                f"{self.path} holds {others[0]} but no {MANIFEST}, so it is not a run; "
                "move it away or choose another output_root"
            )

    def _earlier_manifest(self) -> Manifest | None:
        if not (self.path / MANIFEST).exists():
            return None
        manifest = self.read_manifest()
        if manifest.key != self.key:
            raise OutputError(
                f"{self.path} belongs to run key {manifest.key or 'none'}, this run's is "
                f"{self.key}; move it away or choose another output_root"
            )
        return manifest


def read_manifest(run: Path) -> Manifest:
    """Return what `manifest.json` in a run's folder says.

    Raises:
        OutputError: it is missing, or no manifest.
    """
    path = run / MANIFEST
    with reading(path):
        return Manifest.from_json(path.read_text(encoding="utf-8"))
