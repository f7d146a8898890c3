"""The benchmarks of docs/benchmarks.md: each writes one JSON object to bench/.

python scripts/bench/engine.py cpu|gpu [NAME ...]
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from transformers import LlamaConfig

FOLDER = Path("bench")
SMOL = ["model=smollm2-135m"]
GPU = ["model.dtype=bfloat16", "device=cuda", "--random-weights"]
LLAMA = ["model=llama2-7b", *GPU, "--prompt-tokens", "400"]
BENCHMARKS = {
    "cpu": {
        "full": [*SMOL],
        "options": [*SMOL, "--options"],
        "sparse": [*SMOL, "grid=pairs", "grid.pairs=[[15,15]]", "--instances", "200"],
        "together": [*SMOL, "--together"],
        **{f"prompt-{n}": [*SMOL, "--prompt-tokens", str(n)] for n in (200, 400, 800, 1600)},
        **{
            f"cells-{k}": [*SMOL, "grid=full", f"grid.stride={k}", "--cells-compared", "0"]
            for k in (6, 3, 2)
        },
        **{
            f"layers-{n}": [
                *("model=hf", f"model.id={FOLDER}/model-{n}", "--random-weights"),
                *("grid=full", f"grid.stride={n // 5}", "--prompt-tokens", "169"),
                *("--cells-compared", "0"),
            ]
            for n in (10, 20, 40)
        },
    },
    "gpu": {"llama2-7b": LLAMA, "llama2-7b-together": [*LLAMA, "--together"]},
}


def write_config(n_layers: int) -> None:
    """Write a model folder without weights: SmolLM2 135M with another number of layers."""
    folder = FOLDER / f"model-{n_layers}"
    folder.mkdir(exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((files("xtransplant") / "assets/pocket" / name).read_bytes())
    config = LlamaConfig(
        hidden_size=576,
        intermediate_size=1536,
        num_attention_heads=9,
        num_key_value_heads=3,
        num_hidden_layers=n_layers,
        vocab_size=49152,
        tie_word_embeddings=True,
        max_position_embeddings=2048,
    )
    (folder / "config.json").write_text(
        json.dumps({**config.to_dict(), "architectures": ["LlamaForCausalLM"]})
    )


def main(where: str, *names: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or BENCHMARKS[where]:
        if name.startswith("layers-"):
            write_config(int(name.removeprefix("layers-")))
        command = [sys.executable, "-m", "xtransplant", "bench", *BENCHMARKS[where][name]]
        print(name, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        (FOLDER / f"{name}.json").write_bytes(done.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
