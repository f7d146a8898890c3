"""The columns of a run's parts, and the conversion of rows to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from xtransplant.draws import uniform
from xtransplant.errors import OutputError
from xtransplant.types import Cell, Generation, Instance, Option, Reply, Score

if TYPE_CHECKING:
    import pandas as pd

KEY = b"xtransplant.key"
INSTANCES_OF_PART = b"xtransplant.instances"
SCORER = b"xtransplant.scorer"


def required(name: str, type_: pa.DataType) -> pa.Field[Any]:
    """Return a column that may not be null."""
    return pa.field(name, type_, nullable=False)


# Columns are only ever added, at the end, and nullable: see docs/run-keys.md.
GENERATIONS = pa.schema(
    [
        required("instance_id", pa.string()),
        required("language", pa.string()),
        required("source_language", pa.string()),
        required("target_language", pa.string()),
        required("control", pa.string()),
        pa.field("source_layer", pa.int16()),
        pa.field("target_layer", pa.int16()),
        required("text", pa.string()),
        required("n_tokens", pa.int16()),
        required("finish", pa.string()),
        pa.field("answer", pa.string()),
        required("correct", pa.bool_()),
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


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a part: an instance's answer from a cell, or its baseline if `cell` is None.

    `scores` are the verdicts by label of the scorer (such as "paper-2"); the first one gives the
    columns `answer` and `correct`.
    """

    instance: Instance
    cell: Cell | None
    generation: Generation
    scores: Mapping[str, Score]


def part_table(rows: Sequence[Row], control: str, key: str) -> pa.Table:
    """Return rows as a table with the columns of `GENERATIONS`.

    The schema's metadata hold `xtransplant.key`, `xtransplant.instances` (JSON, every field of each
    instance) and `xtransplant.scorer` (label of the scorer of `answer` and `correct`).
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
    """Return a part with the verdicts of the scorer with a given label."""
    for name, verdicts in (
        ("answer", [score.answer for score in scores]),
        ("correct", [score.correct for score in scores]),
    ):
        place, field = part.schema.get_field_index(name), GENERATIONS.field(name)
        part = part.set_column(place, field, pa.array(verdicts, field.type))
    return part.replace_schema_metadata({**part.schema.metadata, SCORER: scorer.encode()})


def with_columns(part: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return a part's rows with the named columns of `GENERATIONS`, without metadata.

    Columns that are newer than the part are null.

    Raises:
        ValueError: the part lacks a column that may not be null.
    """
    schema = pa.schema([GENERATIONS.field(name) for name in names])
    there = set(part.column_names)
    if lacking := [
        field.name for field in schema if field.name not in there and not field.nullable
    ]:
        raise ValueError(f"it has no column {lacking[0]}")
    return pa.table(
        [
            part.column(field.name) if field.name in there else pa.nulls(len(part), field.type)
            for field in schema
        ],
        schema=schema,
    )


def columns_to_write(
    run: Path, recorded: Sequence[str], first_part: pa.Schema | None
) -> Sequence[str]:
    """Return the columns of the next parts of a run, so that all its parts have the same columns.

    Args:
        run: folder of the run.
        recorded: columns in the manifest; empty if an earlier version wrote it. A list without the
            required columns is damaged; then the existing part decides.
        first_part: schema of an existing part; None if there is none.

    Raises:
        OutputError: a later version of the package wrote the folder, with columns unknown here.
    """
    always = {field.name for field in GENERATIONS if not field.nullable}
    of_parts = (GENERATIONS if first_part is None else first_part).names
    names = recorded if always <= set(recorded) else of_parts
    if unknown := [name for name in names if name not in GENERATIONS.names]:
        raise OutputError(
            f"{run} has the column {unknown[0]} of a later version of xtransplant, so this one "
            "cannot continue it; install that version or choose another output_root"
        )
    return names


def verdicts_table(part: pa.Table, scorer: str, scores: Sequence[Score]) -> pa.Table:
    """Return a scorer's verdicts on the rows of a part, with the columns of `VERDICTS`."""
    judged = with_verdicts(part, scorer, scores)
    table = judged.select([name for name in VERDICTS.names if name != "value"])
    values = pa.array([score.value for score in scores], pa.float64())
    metadata = {name: judged.schema.metadata[name] for name in (KEY, SCORER)}
    return table.append_column(VERDICTS.field("value"), values).replace_schema_metadata(metadata)


def scores_of(part: pa.Table) -> list[Score]:
    """Return the verdicts in a part's own columns."""
    columns = (part.column(name).to_pylist() for name in ("answer", "correct"))
    return [Score(answer, correct) for answer, correct in zip(*columns, strict=True)]


def replies_of(part: pa.Table) -> list[tuple[Instance, Reply]]:
    """Return the instance and the reply of each row, which are all that a scorer may see."""
    instances = {instance.id: instance for instance in instances_of(part.schema)}
    names = ("instance_id", "text", "finish", "option_logprobs", "source_layer", "target_layer")
    columns = (part.column(name).to_pylist() for name in names)
    return [
        (instances[id], Reply(text, finish, tuple(logprobs) if logprobs else None, draw))
        for id, text, finish, logprobs, source, target in zip(*columns, strict=True)
        for cell in [None if source is None else Cell(source, target)]
        for draw in [option_draw(instances[id], cell)]
    ]


def option_draw(instance: Instance, cell: Cell | None) -> float | None:
    """Return the number by which a row draws an answer option, None if it draws none."""
    if instance.draw_seed is None or cell is None:
        return None
    return uniform(instance.draw_seed, cell, "option")


def scorer_of(schema: pa.Schema) -> str:
    """Return the label of the scorer of a part's verdicts; "unknown" if the part has none."""
    return (schema.metadata or {}).get(SCORER, b"unknown").decode()


def key_of(schema: pa.Schema) -> str:
    """Return the run key in a part's metadata; "" if there is none."""
    return (schema.metadata or {}).get(KEY, b"").decode()


def instances_of(schema: pa.Schema) -> list[Instance]:
    """Return the instances in a part's metadata; missing fields get their defaults.

    Raises:
        ValueError: a field is unknown to this version, or a field without default is missing.
    """
    try:
        return [_instance(fields) for fields in json.loads(schema.metadata[INSTANCES_OF_PART])]
    except (KeyError, TypeError) as error:
        raise ValueError(f"instances of another version of xtransplant ({error})") from error


def _instance(fields: dict[str, Any]) -> Instance:
    options = tuple(Option(**option) for option in fields.pop("options", ()))
    return Instance(**fields | {"options": options, "aliases": tuple(fields.get("aliases", ()))})


def require_one_scorer(run: Path, scorers: Iterable[str]) -> None:
    """Check that all parts read from a run hold verdicts of the same scorer.

    Raises:
        OutputError: they hold verdicts of several scorers, as after an interrupted `rescore`.
    """
    if len(found := sorted(set(scorers))) > 1:
        raise OutputError(
            f"{run} holds verdicts of several scorers, {' and '.join(found)}; to judge all with "
            f"one: xtransplant rescore {run}"
        )


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a data frame; 16-bit integers become the nullable type Int16."""
    import pandas as pd

    def nullable(type_: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
        return pd.Int16Dtype() if type_ == pa.int16() else None

    return table.to_pandas(types_mapper=nullable)
