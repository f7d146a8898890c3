"""A run's two summary files, or views: `instances.parquet` and `pairs.parquet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from xtransplant.files import clear_leftovers, write_unless_same
from xtransplant.store.checksum import to_parquet
from xtransplant.store.columns import required
from xtransplant.store.run_folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd

INSTANCES = pa.schema(
    [
        required("instance_id", pa.string()),
        required("language", pa.string()),
        required("control", pa.string()),
        required("gold", pa.string()),
        pa.field("baseline_answer", pa.string()),
        required("baseline_correct", pa.bool_()),
        required("n_cells", pa.int32()),
        required("n_correct", pa.int32()),
        required("n_distinct_answers", pa.int32()),
        required("upper_bound_correct", pa.bool_()),
        required("source_fixed_correct", pa.list_(pa.bool_())),
        required("target_fixed_correct", pa.list_(pa.bool_())),
    ]
)
PAIRS = pa.schema(
    [
        required("language", pa.string()),
        required("control", pa.string()),
        required("source_layer", pa.int16()),
        required("target_layer", pa.int16()),
        required("n", pa.int32()),
        required("n_correct", pa.int32()),
        required("accuracy", pa.float64()),
        required("baseline_accuracy", pa.float64()),
        required("n_gained", pa.int32()),
        required("n_lost", pa.int32()),
    ]
)


def write_views(folder: RunFolder, instances: pd.DataFrame, pairs: pd.DataFrame) -> None:
    """Write `instances.parquet` and `pairs.parquet`, unless they already have this content.

    No other process may write them at the same time.

    Raises:
        OutputError: a file cannot be written.
    """
    for name, frame, columns in (("instances", instances, INSTANCES), ("pairs", pairs, PAIRS)):
        table = pa.Table.from_pandas(frame, schema=columns, preserve_index=False)
        path = folder.path / f"{name}.parquet"
        clear_leftovers(path)
        write_unless_same(path, to_parquet(table.replace_schema_metadata(None)))
