"""Time `xtransplant report` on a made-up run of a million rows, in a separate process.

It prints seconds and peak memory, and fails above 60 s or 4 GB (the limits for two cores).
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from xtransplant.config.compose import compose
from xtransplant.runner.views import aggregate_run
from xtransplant.store.columns import GENERATIONS, Row, part_table
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Cell, Generation, Instance, Score

KEY = "0123456789ab"
N_LAYERS = 32
LANGUAGES = ("de", "es", "id", "sw", "tr")
N_INSTANCES = 196
SECONDS, GIGABYTES = 60, 4


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        n_rows = write_run(Path(temporary) / "runs")
        command = [sys.executable, "-m", "xtransplant", "report", str(Path(temporary) / "runs")]
        start = time.perf_counter()
        subprocess.run([*command, "--out", str(Path(temporary) / "report")], check=True)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    print(json.dumps({"rows": n_rows, "seconds": round(seconds, 1), "peak_gb": round(peak, 2)}))
    if seconds > SECONDS or peak > GIGABYTES:
        sys.exit(f"over {SECONDS} s or {GIGABYTES} GB")


def write_run(root: Path) -> int:
    """Write a run in which cells differ in accuracy; return the number of its rows."""
    config = compose([f"languages=[{','.join(LANGUAGES)}]", f"output_root={root}"])
    folder = RunFolder(root / "pocket" / "pocket" / "mlp" / KEY, KEY)
    folder.open_or_create(asdict(config), dict.fromkeys(LANGUAGES, 1))
    rng = np.random.default_rng(0)
    with folder.running():
        for language in LANGUAGES:
            folder.write_table(f"generations/{language}-0000.parquet", part(language, rng))
        aggregate_run(folder)
    return len(LANGUAGES) * N_INSTANCES * (N_LAYERS**2 + 1)


def part(
    language: str,
    rng: np.random.Generator,
    key: str = KEY,
    control: str = "none",
    split: str = "dev",
) -> pa.Table:
    cells = [None, *(Cell(i, j) for i in range(N_LAYERS) for j in range(N_LAYERS))]
    names = [f"{split}{number}" for number in range(N_INSTANCES)]
    instances = [Instance(n, language, "en", language, f"Is {n}?", f"{n}?", "1") for n in names]
    score = {"exact_match-3": Score(None, correct=False)}
    empty = [Row(one, None, Generation((1,), "", "eos"), score) for one in instances]
    metadata = part_table(empty, control, key).schema.metadata
    n_rows = N_INSTANCES * len(cells)
    easy = rng.beta(1, 2, (N_INSTANCES, 1)) + 0.2 * rng.random((1, len(cells)))
    right = (rng.random((N_INSTANCES, len(cells))) < easy).ravel()
    answers = np.where(right, "1", rng.integers(2, 9, n_rows).astype(str))
    columns = {
        "instance_id": np.repeat(names, len(cells)),
        "language": [language] * n_rows,
        "source_language": ["en"] * n_rows,
        "target_language": [language] * n_rows,
        "control": [control] * n_rows,
        "source_layer": [cell and cell.source_layer for cell in cells] * N_INSTANCES,
        "target_layer": [cell and cell.target_layer for cell in cells] * N_INSTANCES,
        "text": np.char.add("The answer is ", answers),
        "n_tokens": np.full(n_rows, 5, dtype=np.int16),
        "finish": ["eos"] * n_rows,
        "answer": answers,
        "correct": right,
        "option_logprobs": [None] * n_rows,
    }
    return pa.table(columns, schema=GENERATIONS.with_metadata(metadata))


if __name__ == "__main__":
    main()
