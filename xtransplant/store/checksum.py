"""Parquet files that contain their own checksum.

The footer holds the row count and the SHA-256 of the whole file, computed with `_BLANK` in place of
the digest's own 64 characters. So a change of any byte is detected.
"""

from __future__ import annotations

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = b"xtransplant.rows"
CHECKSUM = b"xtransplant.sha256"
_BLANK = b"#" * 64


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a parquet file: zstd, dictionary-encoded, with a checksum."""
    # The metadata of a table that was read from such a file still holds the old checksum.
    metadata = {
        name: value
        for name, value in (table.schema.metadata or {}).items()
        if name not in (ROWS, CHECKSUM)
    }
    table = table.replace_schema_metadata(metadata or None)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", use_dictionary=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(
            {ROWS.decode(): str(len(table)), CHECKSUM.decode(): _BLANK.decode()}
        )
    before, blank, after = sink.getvalue().rpartition(_BLANK)
    assert blank
    digest = hashlib.sha256(before + blank + after).hexdigest()
    return before + digest.encode() + after


def broken_seal(content: bytes) -> str | None:
    """Return what is wrong with the bytes of such a file; None if nothing is."""
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        return "is cut off, or not a parquet file"
    try:
        with pq.ParquetFile(io.BytesIO(content)) as file:
            marks, n_rows = file.metadata.metadata or {}, file.metadata.num_rows
    except (OSError, ValueError, pa.ArrowException) as error:
        return f"is damaged: {' '.join(str(error).split())}"
    if CHECKSUM not in marks:
        return "has no checksum"
    before, digest, after = content.rpartition(marks[CHECKSUM])
    if hashlib.sha256(before + _BLANK + after).hexdigest().encode() != digest:
        return "is damaged: its checksum does not match"
    if marks.get(ROWS) != str(n_rows).encode():
        return f"has {n_rows} rows, and was written with {marks.get(ROWS, b'no count').decode()}"
    return None
