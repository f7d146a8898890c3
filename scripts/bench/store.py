"""Write and aggregate a run of a million rows, and print time and memory as JSON.

python scripts/bench/store.py [INSTANCES] [CELLS]

Texts have 20 words, and cells of one instance share many texts, as in real grids. Of the 900 cells
of SmolLM2 in docs/benchmarks.md, 14 % have distinct texts; of the authors' outputs, whose layers
are far apart, 35 to 46 %. Here 40 % have, and each text begins like the baseline's.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from xtransplant.runner.views import aggregate_run
from xtransplant.store.columns import Row
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import write_judged_part
from xtransplant.types import Cell, Generation, Instance, Score

DISTINCT = 0.4
WORDS = 20
VOCABULARY = 8000
INSTANCES_PER_PART = 10
SCORER = "paper-1"


def main() -> None:
    n_instances, n_cells = [int(given) for given in sys.argv[1:]] or [1000, 1000]
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "run", "0123456789ab")
        n_parts = -(-n_instances // INSTANCES_PER_PART)
        folder.open_or_create({}, {"fr": n_parts})
        writing = 0.0
        for block, rows in enumerate(parts(n_instances, n_cells)):
            start = time.monotonic()
            write_judged_part(folder, "fr", block, "none", rows)
            writing += time.monotonic() - start
        start = time.monotonic()
        aggregate_run(folder)
        aggregating = time.monotonic() - start
        files = [path for path in folder.path.rglob("*.parquet")]
        figures = {
            "rows": n_instances * (n_cells + 1),
            "distinct_share": DISTINCT,
            "parts": n_parts,
            "files": len(files),
            "seconds_writing": round(writing, 1),
            "seconds_aggregating": round(aggregating, 1),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "size_mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        }
    print(json.dumps(figures, indent=2))


def parts(n_instances: int, n_cells: int) -> Iterator[list[Row]]:
    source = random.Random(0)
    words = [
        "".join(source.choices("abcdefghijklmnopqrstuvwxyzéèà", k=source.randint(2, 9)))
        for _ in range(VOCABULARY)
    ]
    side = int(n_cells**0.5) + 1
    cells = [Cell(place // side, place % side) for place in range(n_cells)]
    for start in range(0, n_instances, INSTANCES_PER_PART):
        yield [
            row
            for number in range(start, min(start + INSTANCES_PER_PART, n_instances))
            for row in instance_rows(number, cells, words, source)
        ]


def instance_rows(
    number: int, cells: list[Cell], words: list[str], source: random.Random
) -> list[Row]:
    instance = Instance(f"{number:05d}", "fr", "en", "fr", "source " * 60, "target " * 60, gold="1")
    first = source.choices(words, k=WORDS)
    texts = []
    for _ in range(int(DISTINCT * len(cells))):
        same = source.randrange(WORDS)
        texts.append(" ".join(first[:same] + source.choices(words, k=WORDS - same)))
    drawn = [" ".join(first), *texts, *source.choices(texts, k=len(cells) - len(texts))]
    rows = []
    for cell, text in zip([None, *cells], drawn, strict=True):
        answer = source.choice("123")
        generation = Generation(tuple(range(WORDS)), text, "length")
        rows.append(Row(instance, cell, generation, {SCORER: Score(answer, answer == "1")}))
    return rows


if __name__ == "__main__":
    main()
