"""Paths that tests share."""

import signal
from pathlib import Path

import pytest
import torch

# A shell starts background jobs deaf to Ctrl-C, and so would be the processes tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

torch.set_num_threads(1)  # tiny tensors: a second thread costs more than it brings

REFERENCE = Path(__file__).parents[1].parent / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    if not REFERENCE.is_dir():
        pytest.skip(f"left out: the authors' data and golden outputs are not at {REFERENCE}")
    return REFERENCE
