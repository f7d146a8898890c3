"""The columns of a run's parquet files, and rows turned into them; it knows no folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xtransplant.types import Cell, Generation, Instance, Option, Score

if TYPE_CHECKING:
    import pandas as pd

KEY = b"xtransplant.key"
INSTANCES_OF_PART = b"xtransplant.instances"


def _required(name: str, type_: pa.DataType) -> pa.Field[Any]:
    return pa.field(name, type_, nullable=False)


GENERATIONS = pa.schema(
    [
        _required("instance_id", pa.string()),
        _required("language", pa.string()),
        _required("source_language", pa.string()),
        _required("target_language", pa.string()),
        _required("control", pa.string()),
        pa.field("source_layer", pa.int16()),
        pa.field("target_layer", pa.int16()),
        _required("text", pa.string()),
        _required("n_tokens", pa.int16()),
        _required("finish", pa.string()),
        pa.field("answer", pa.string()),
        _required("correct", pa.bool_()),
        pa.field("option_logprobs", pa.list_(pa.float32())),
    ]
)
INSTANCES = pa.schema(
    [
        _required("instance_id", pa.string()),
        _required("language", pa.string()),
        _required("control", pa.string()),
        _required("gold", pa.string()),
        pa.field("baseline_answer", pa.string()),
        _required("baseline_correct", pa.bool_()),
        _required("n_cells", pa.int32()),
        _required("n_correct", pa.int32()),
        _required("n_distinct_answers", pa.int32()),
        _required("upper_bound_correct", pa.bool_()),
        _required("source_fixed_correct", pa.list_(pa.bool_())),
        _required("target_fixed_correct", pa.list_(pa.bool_())),
    ]
)
PAIRS = pa.schema(
    [
        _required("language", pa.string()),
        _required("control", pa.string()),
        _required("source_layer", pa.int16()),
        _required("target_layer", pa.int16()),
        _required("n", pa.int32()),
        _required("n_correct", pa.int32()),
        _required("accuracy", pa.float64()),
        _required("baseline_accuracy", pa.float64()),
        _required("n_gained", pa.int32()),
        _required("n_lost", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a part: what an instance got from a cell, or untouched where `cell` is None."""

    instance: Instance
    cell: Cell | None
    generation: Generation
    score: Score


def part_table(rows: Sequence[Row], control: str, key: str) -> pa.Table:
    """Return rows as a table with the columns of `GENERATIONS`.

    The columns are fixed, so what else belongs to a part travels in the schema's metadata:
    `xtransplant.key` and `xtransplant.instances` (JSON, every field of each instance).
    """
    instances = {row.instance.id: row.instance for row in rows}
    metadata = {
        KEY: key.encode(),
        INSTANCES_OF_PART: json.dumps(
            [asdict(instance) for instance in instances.values()], ensure_ascii=False
        ).encode(),
    }
    columns: dict[str, list[Any]] = {
        "instance_id": [row.instance.id for row in rows],
        "language": [row.instance.language for row in rows],
        "source_language": [row.instance.source_language for row in rows],
        "target_language": [row.instance.target_language for row in rows],
        "control": [control] * len(rows),
        "source_layer": [row.cell.source_layer if row.cell else None for row in rows],
        "target_layer": [row.cell.target_layer if row.cell else None for row in rows],
        "text": [row.generation.text for row in rows],
        "n_tokens": [row.generation.n_tokens for row in rows],
        "finish": [row.generation.finish for row in rows],
        "answer": [row.score.answer for row in rows],
        "correct": [row.score.correct for row in rows],
        "option_logprobs": [None] * len(rows),
    }
    return pa.table(columns, schema=GENERATIONS.with_metadata(metadata))


def key_of(schema: pa.Schema) -> str:
    """Return the run key that a part carries, "" if it carries none."""
    return (schema.metadata or {}).get(KEY, b"").decode()


def instances_of(schema: pa.Schema) -> list[Instance]:
    """Return the instances that a part carries."""
    instances = []
    for fields in json.loads(schema.metadata[INSTANCES_OF_PART]):
        fields["options"] = tuple(Option(**option) for option in fields["options"])
        fields["aliases"] = tuple(fields["aliases"])
        instances.append(Instance(**fields))
    return instances


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as the content of a file: zstd, dictionary-encoded."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=True)
    return sink.getvalue().to_pybytes()


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame; 16-bit integers, which may be null, become Int16."""
    import pandas as pd

    def nullable(type_: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
        return pd.Int16Dtype() if type_ == pa.int16() else None

    return table.to_pandas(types_mapper=nullable)


def from_frame(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Return a frame as a table of exactly this schema."""
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    return table.replace_schema_metadata(None)
