"""How many rows fit, by hand."""

import pytest
import torch
from transformers import GPT2Config, LlamaConfig, MixtralConfig

from xtransplant.engine import flops as cost

GIB = 1 << 30


def test_memory_that_torch_holds_without_use_counts_as_free(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 8 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 5 * GIB)
    config = LlamaConfig(  # Llama 2 7B: a token has 32 layers x 2 x 4096 numbers of 2 bytes
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000
    )
    n_rows = cost.rows_together(
        None, config, torch.bfloat16, 20, torch.device("cuda"), by_block=False
    )
    # An eighth of 4 GiB, by ten tokens (half of 20) of 512 KiB and a line of logits in float32.
    assert n_rows == (512 << 20) // (10 * (512 << 10) + 4 * 32000) == 99


def test_matmul_parameters_of_layers_that_are_not_linear():
    gpt2 = cost.model_size(GPT2Config(n_embd=32, n_head=4, n_layer=3, vocab_size=101))
    # Queries, keys and values; the output; feed-forward, up and down.
    assert gpt2.layers == 3 * (32 * 96 + 32 * 32 + 2 * 32 * 128)
    assert gpt2.unembedding == 101 * 32
    mixtral = cost.model_size(
        MixtralConfig(
            **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3},
            **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
            **{"num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 101},
        )
    )
    attention = 2 * 32 * 32 + 2 * 32 * 16
    assert mixtral.layers == 3 * (attention + 2 * 3 * 32 * 64), "two of four experts"
