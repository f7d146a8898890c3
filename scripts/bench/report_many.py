"""Time `xtransplant report --no-page` on 100 made-up runs of a million rows.

Five runs are written, and linked for 20 models: two modules, two controls and a second split. It
prints seconds and peak memory, and fails above five minutes or 4 GB (the promise, on two cores).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from report import LANGUAGES, N_INSTANCES, N_LAYERS, part

from xtransplant.config.compose import compose
from xtransplant.store.run_folder import RunFolder

N_MODELS = 20
SECONDS, GIGABYTES = 300, 4
RUNS = (
    ("mlp", "none", "dev"),
    ("mlp", "random_instance", "dev"),
    ("mlp", "noise", "dev"),
    ("mlp", "none", "test"),
    ("attn", "none", "dev"),
)
COST = {
    **{"n_layers": N_LAYERS, "n_instances": N_INSTANCES * len(LANGUAGES), "seconds": 1e3},
    **{"peak_bytes": 2**30, "source_tokens": 50_000, "target_tokens": 50_000},
    **{"baseline_flops": 1e12, "grid_flops": 1e15},
    **{"layer_parameters": 10**8, "unembedding_parameters": 10**7},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary) / "runs"
        n_rows = sum(write_runs(runs, number, *run) for number, run in enumerate(RUNS))
        command = [sys.executable, "-m", "xtransplant", "report", str(runs), "--no-page"]
        start = time.perf_counter()
        subprocess.run([*command, "--out", str(Path(temporary) / "report")], check=True)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    found = {"runs": N_MODELS * len(RUNS), "rows": n_rows}
    print(json.dumps({**found, "seconds": round(seconds, 1), "peak_gb": round(peak, 2)}))
    if seconds > SECONDS or peak > GIGABYTES:
        sys.exit(f"over {SECONDS} s or {GIGABYTES} GB")


def write_runs(root: Path, number: int, module: str, control: str, split: str) -> int:
    """Write a run for one model, link its parts for the others; return the number of rows."""
    key = f"{number:012x}"
    rng = np.random.default_rng(number)
    of_language = {name: part(name, rng, key, control, split) for name in LANGUAGES}
    first: RunFolder | None = None
    for model in range(N_MODELS):
        folder = RunFolder(root / "pocket" / f"m{model}" / module / key, key)
        folder.open_or_create(_config(root, model, module, control, split), n_parts())
        with folder.running():
            for language, table in of_language.items():
                name = f"generations/{language}-0000.parquet"
                if first is None:
                    folder.write_table(name, table)
                else:
                    (folder.path / name).parent.mkdir(exist_ok=True)
                    os.link(first.path / name, folder.path / name)
        folder.update_manifest(cost=COST)
        first = first or folder
    return N_MODELS * sum(len(table) for table in of_language.values())


def n_parts() -> dict[str, int]:
    """Return one part for each language."""
    return dict.fromkeys(LANGUAGES, 1)


def _config(root: Path, model: int, module: str, control: str, split: str) -> dict[str, object]:
    settings = [f"module={module}", f"control={control}", f"split={split}"]
    config = compose([*settings, f"languages=[{','.join(LANGUAGES)}]", f"output_root={root}"])
    config.model.name = f"m{model}"
    return asdict(config)


if __name__ == "__main__":
    main()
