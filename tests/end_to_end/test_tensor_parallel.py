"""Two processes that share a model's matrices: the tokens of one, written once."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tiny_checkpoint import save_llama

from xtransplant.cli import app as cli
from xtransplant.engine.load_model import load_model

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2}
    save_llama(tmp_path / "tiny", **sizes, max_position_embeddings=128)
    return tmp_path / "tiny"


def output(command: list[str]) -> str:
    finished = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def results(folder: Path) -> tuple[list[Path], pd.DataFrame]:
    """Return the files of all runs below a folder, and their generations."""
    files = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    parts = sorted(folder.rglob("generations/*.parquet"))
    return files, pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


PROGRAM = """
import sys
from xtransplant.cli import app as cli
from xtransplant.engine.load_model import load_model
folder, output_root, *arguments = sys.argv[1:]
weight = load_model(folder, device="cpu").hf.model.layers[0].mlp.up_proj.weight
shape = (weight.to_local() if hasattr(weight, "to_local") else weight).shape
sys.stdout.write(f"{tuple(shape)}\\n")  # at once: two processes write
sys.stdout.flush()
status = cli.main(["check", *arguments, "--cells", "4"])
sys.exit(status or cli.main(["run", *arguments, f"output_root={output_root}"]))
"""


def test_two_processes_with_half_of_each_matrix_do_what_one_does(
    llama: Path, tmp_path: Path
) -> None:
    whole = load_model(str(llama), device="cpu").hf.model.layers[0].mlp.up_proj.weight
    assert whole.shape == (32, 32)
    arguments = ["model=hf", f"model.id={llama}", "languages=[de]", "limit=3", "device=cpu"]
    arguments += ["decode.max_new_tokens=5", "module=attn"]
    assert cli.main(["run", *arguments, f"output_root={tmp_path / 'one'}"]) == 0
    program = ["--no-python", sys.executable, "-c", PROGRAM, str(llama), str(tmp_path / "two")]
    out = output([*TORCHRUN, *program, *arguments])
    assert out.count("(16, 32)\n") == 2
    assert out.count("identical, token for token") == 1
    assert out.count("results: ") == 1
    (files, one), (same_files, two) = results(tmp_path / "one"), results(tmp_path / "two")
    assert files == same_files
    pd.testing.assert_frame_equal(one, two)
    assert one.text.nunique() > 5
