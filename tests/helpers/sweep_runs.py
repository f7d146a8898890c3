"""The sweep that the schedulers' tests run, and the comparison with one process's rows."""

import os
from pathlib import Path

import pandas as pd

from xtransplant.cli import app as cli

AXES = ["module=attn,mlp,block,attn_residual", "grid.stride=2,4,8"]
"""Twelve runs, each of its own key."""
SHARDS = ["shard.count=3", "shard.index=range(3)"]
COMMON = ["languages=[sw,de,tr]", "limit=3"]
"""Three parts, one for each shard."""
N_JOBS = 36


def one_process(root: Path) -> None:
    """Do the same runs in this process, one after the other and undivided."""
    assert cli.main(["run", "-m", *AXES, *COMMON, f"output_root={root}"]) == 0


def assert_same(found: Path, expected: Path) -> None:
    """Compare every run below two folders: the same runs, with the same rows."""
    runs = sorted(path.parent.relative_to(expected) for path in expected.rglob("manifest.json"))
    assert len(runs) == 12
    assert runs == sorted(path.parent.relative_to(found) for path in found.rglob("manifest.json"))
    for run in runs:
        for name in ("generations", "instances.parquet", "pairs.parquet"):
            one, other = (pd.read_parquet(root / run / name) for root in (found, expected))
            assert len(one)
            pd.testing.assert_frame_equal(one, other)


def environment() -> dict[str, str]:
    """Return the environment for commands of this checkout."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
