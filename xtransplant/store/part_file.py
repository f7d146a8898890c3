"""A part as a file: its name, what can be wrong with it, and how it is opened. It knows no folders.

Its footer carries the run key and the instances (see `columns`), row count and checksum (`seal`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.errors import OutputError
from xtransplant.store.checksum import broken_seal
from xtransplant.store.columns import instances_of, key_of
from xtransplant.types import Instance


def part_name(language: str, block: int) -> str:
    """Return the name of a part, "fr-0003", that of its file and of its lease."""
    return f"{language}-{block:04d}"


def fault_of(content: bytes, key: str, instances: Sequence[Instance] | None = None) -> str | None:
    """Return why the content of a file is not the part it should be, None if it is.

    Args:
        content: of the whole file.
        key: of the run.
        instances: that the part must be of, in order; None where the plan is not known.
    """
    # The key first: whoever meets a part of another run wants to know that.
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
        OutputError: it cannot be read, or is no whole part of that run key.
    """
    with reading(path):
        content = path.read_bytes()
    if fault := fault_of(content, key):
        raise OutputError(
            f"{path} {fault}; the same command, run again, sets it aside and does it again"
        )
    with reading(path), pq.ParquetFile(io.BytesIO(content)) as part:
        yield part


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


def _asked(instance: Instance) -> tuple[str, ...]:
    """Return what makes an instance's rows what they are, apart from the run's settings."""
    return (instance.id, instance.language, instance.source, instance.target, instance.gold)
