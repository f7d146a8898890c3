"""The columns of a run's parquet files, and rows turned into them; it knows no folders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xtransplant.errors import OutputError
from xtransplant.types import Cell, Generation, Instance, Option, Reply, Score

if TYPE_CHECKING:
    import pandas as pd

KEY = b"xtransplant.key"
INSTANCES_OF_PART = b"xtransplant.instances"
SCORER = b"xtransplant.scorer"


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
VERDICTS = pa.schema(
    [
        *(GENERATIONS.field(name) for name in ("instance_id", "language", "control")),
        *(GENERATIONS.field(name) for name in ("source_layer", "target_layer")),
        *(GENERATIONS.field(name) for name in ("answer", "correct")),
        pa.field("value", pa.float64()),
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
    """One line of a part: what an instance got from a cell, or untouched where `cell` is None.

    `scores` are the verdicts by scorer, named with its version; the first is the part's own.
    """

    instance: Instance
    cell: Cell | None
    generation: Generation
    scores: Mapping[str, Score]


def part_table(rows: Sequence[Row], control: str, key: str) -> pa.Table:
    """Return rows as a table with the columns of `GENERATIONS`.

    The columns are fixed, so what else belongs to a part travels in the schema's metadata:
    `xtransplant.key`, `xtransplant.instances` (JSON, every field of each instance) and
    `xtransplant.scorer`, name and version of the scorer of `answer` and `correct`.
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
        "answer": [None] * len(rows),
        "correct": [False] * len(rows),
        "option_logprobs": [row.generation.option_logprobs for row in rows],
    }
    table = pa.table(columns, schema=GENERATIONS.with_metadata(metadata))
    scorer = next(iter(rows[0].scores))
    return with_verdicts(table, scorer, [row.scores[scorer] for row in rows])


def with_verdicts(part: pa.Table, scorer: str, scores: Sequence[Score]) -> pa.Table:
    """Return a part with the verdicts of another scorer, named with its version."""
    for name, verdicts in (
        ("answer", [score.answer for score in scores]),
        ("correct", [score.correct for score in scores]),
    ):
        place = GENERATIONS.get_field_index(name)
        column = pa.array(verdicts, GENERATIONS.field(name).type)
        part = part.set_column(place, GENERATIONS.field(name), column)
    return part.replace_schema_metadata({**part.schema.metadata, SCORER: scorer.encode()})


def verdicts_table(part: pa.Table, scorer: str, scores: Sequence[Score]) -> pa.Table:
    """Return a scorer's verdicts on the rows of a part, with the columns of `VERDICTS`."""
    judged = with_verdicts(part, scorer, scores)
    table = judged.select([name for name in VERDICTS.names if name != "value"])
    values = pa.array([score.value for score in scores], pa.float64())
    metadata = {name: judged.schema.metadata[name] for name in (KEY, SCORER)}
    return table.append_column(VERDICTS.field("value"), values).replace_schema_metadata(metadata)


def scores_of(part: pa.Table) -> list[Score]:
    """Return the verdicts that a part holds."""
    columns = (part.column(name).to_pylist() for name in ("answer", "correct"))
    return [Score(answer, correct) for answer, correct in zip(*columns, strict=True)]


def replies_of(part: pa.Table) -> list[tuple[Instance, Reply]]:
    """Return what the scorers of a part's rows look at."""
    instances = {instance.id: instance for instance in instances_of(part.schema)}
    names = ("instance_id", "text", "finish", "option_logprobs")
    columns = (part.column(name).to_pylist() for name in names)
    return [
        (instances[id], Reply(text, finish, tuple(logprobs) if logprobs else None))
        for id, text, finish, logprobs in zip(*columns, strict=True)
    ]


def scorer_of(schema: pa.Schema) -> str:
    """Return the scorer, with its version, of the verdicts in a part that names it."""
    return (schema.metadata or {}).get(SCORER, b"unknown").decode()


def key_of(schema: pa.Schema) -> str:
    """Return the run key that a part carries, "" if it carries none."""
    return (schema.metadata or {}).get(KEY, b"").decode()


def instances_of(schema: pa.Schema) -> list[Instance]:
    """Return the instances that a part carries; a field it lacks has its default.

    Raises:
        ValueError: fields that this version does not know, or without a default.
    """
    try:
        return [_instance(fields) for fields in json.loads(schema.metadata[INSTANCES_OF_PART])]
    except (KeyError, TypeError) as error:
        raise ValueError(f"instances of another version of xtransplant ({error})") from error


def _instance(fields: dict[str, Any]) -> Instance:
    options = tuple(Option(**option) for option in fields.pop("options", ()))
    return Instance(**fields | {"options": options, "aliases": tuple(fields.get("aliases", ()))})


def require_one_scorer(run: Path, scorers: Iterable[str]) -> None:
    """Check that the parts read from a run hold the verdicts of one scorer.

    Raises:
        OutputError: they hold those of several, after a `rescore` that was interrupted.
    """
    if len(found := sorted(set(scorers))) > 1:
        raise OutputError(
            f"{run} holds verdicts of several scorers, {' and '.join(found)}; to make them those "
            f"of one: xtransplant rescore {run}"
        )


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
