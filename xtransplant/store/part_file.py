"""A part as a file: how it is opened, and what can be wrong with it.

Its footer holds the run key and the instances (see `columns`), and the row count and the digest
(see `checksum`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.errors import OutputError
from xtransplant.files import read_regular
from xtransplant.store.checksum import broken_seal
from xtransplant.store.columns import instances_of, key_of
from xtransplant.store.part_names import part_language
from xtransplant.types import Instance


def fault_at(path: Path, key: str, instances: Sequence[Instance] | None = None) -> str | None:
    """Return what is wrong with a part's file; None if it is sound or does not exist.

    Arguments and errors are as for `fault_of` and `reading`.
    """
    with reading(path):
        try:
            content = read_regular(path)
        except FileNotFoundError:
            return None
    return fault_of(content, key, instances) or _of_another_language(content, path)


def _of_another_language(content: bytes, path: Path) -> str | None:
    """Return what is wrong if a sound part's name tells another language than its instances."""
    with pq.ParquetFile(io.BytesIO(content)) as part, suppress(ValueError):
        for instance in instances_of(part.schema_arrow):
            if part_language(path) != instance.language:
                return f"holds instances of {instance.language}, which is not what its name says"
    return None


def fault_of(content: bytes, key: str, instances: Sequence[Instance] | None = None) -> str | None:
    """Return what is wrong with the content of a part's file, whatever its name; None if sound.

    Args:
        content: bytes of the whole file.
        key: run key that the part must have.
        instances: instances that the part must hold, in order; None to skip this check.
    """
    # The key comes first: for a part of another run, it is the fault to report.
    with suppress(OSError, ValueError, pa.ArrowException):
        found = key_of(pq.read_schema(io.BytesIO(content)))
        if found != key:
            return f"belongs to run key {found or 'none'}, this run's is {key}"
    if fault := broken_seal(content):
        return fault
    if instances is not None:
        try:
            with pq.ParquetFile(io.BytesIO(content)) as part:
                stored = instances_of(part.schema_arrow)
        except ValueError as error:
            return f"holds {error}"
        if [*map(_asked, stored)] != [*map(_asked, instances)]:
            return "holds other instances than this run's"
    return None


@contextmanager
def open_part(path: Path, key: str) -> Iterator[pq.ParquetFile]:
    """Open a part after checking it.

    Raises:
        OutputError: the file cannot be read, is damaged, or belongs to another run key.
    """
    with reading(path):
        content = read_regular(path)
    if fault := fault_of(content, key):
        raise OutputError(
            f"{path} {fault}; run the same command again to set it aside and compute it anew"
        )
    if fault := _of_another_language(content, path):
        raise OutputError(
            f"{path} {fault}; move it out of the folder and run the same command again"
        )
    with reading(path), pq.ParquetFile(io.BytesIO(content)) as part:
        yield part


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn errors in reading a result file into an OutputError.

    Raises:
        OutputError: the file is missing or damaged, or may not be read.
    """
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OutputError(
            f"cannot read {path}: {reason}; if it is damaged, remove it and run the same command "
            "again"
        ) from error


def _asked(instance: Instance) -> tuple[str, ...]:
    """Return the fields of an instance that its rows depend on."""
    return (instance.id, instance.language, instance.source, instance.target, instance.gold)
