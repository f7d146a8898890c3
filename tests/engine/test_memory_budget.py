"""How many rows fit, by hand."""

import pytest
import torch
from transformers import LlamaConfig

from xtransplant.engine.memory_budget import rows_that_fit

GIB = 1 << 30


def test_memory_that_torch_holds_without_use_counts_as_free(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 8 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 5 * GIB)
    config = LlamaConfig(  # Llama 2 7B: a token has 32 layers x 2 x 4096 numbers of 2 bytes
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000
    )
    n_rows = rows_that_fit(
        config, torch.bfloat16, torch.device("cuda"), n_tokens=20, by_block=False
    )
    # An eighth of 4 GiB, by ten tokens (half of 20) of 512 KiB and a line of logits in float32.
    assert n_rows == (512 << 20) // (10 * (512 << 10) + 4 * 32000) == 99
