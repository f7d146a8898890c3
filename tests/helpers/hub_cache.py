"""A checkpoint in the layout of the hub's cache."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from tiny_checkpoint import save_llama

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def lay_out(cache: Path, commit: str = COMMIT) -> dict[str, torch.Tensor]:
    """Write a checkpoint in the layout of the hub's cache."""
    repo = cache / "models--someone--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    save_llama(repo / "snapshots" / commit)
    return load_file(repo / "snapshots" / commit / "model.safetensors")
