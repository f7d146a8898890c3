"""The benchmarks of docs/benchmarks.md: each writes one JSON object to bench/.

python scripts/bench.py cpu|gpu [NAME ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path("bench")
SMOL = ["model=smollm2-135m"]
GPU = ["model.dtype=bfloat16", "device=cuda", "--random-weights"]
LLAMA = ["model=llama2-7b", *GPU, "--prompt-tokens", "400"]
BENCHMARKS = {
    "cpu": {
        "full": [*SMOL],
        "options": [*SMOL, "--options", "--cells-compared", "0"],
        "sparse": [*SMOL, "grid=pairs", "grid.pairs=[[15,15]]", "--instances", "200"],
        "together": [*SMOL, "--together", "--cells-compared", "0"],
        **{
            f"prompt-{n}": [*SMOL, "--prompt-tokens", str(n), "--cells-compared", "0"]
            for n in (200, 400, 800, 1600)
        },
        **{
            f"cells-{k}": [*SMOL, "grid=full", f"grid.stride={k}", "--cells-compared", "0"]
            for k in (15, 6, 3, 2)
        },
    },
    "gpu": {"llama2-7b": LLAMA, "llama2-7b-together": [*LLAMA, "--together"]},
}


def main(where: str, *names: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    # Spinning threads are faster, and a benchmark has the machine to itself.
    environment = {"OMP_WAIT_POLICY": "active", **os.environ}
    for name in names or BENCHMARKS[where]:
        command = [sys.executable, "-m", "xtransplant", "bench", *BENCHMARKS[where][name]]
        print(name, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
        (FOLDER / f"{name}.json").write_bytes(done.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
