"""Parameters that matrix products read, counted by hand."""

from transformers import GPT2Config, MixtralConfig

from xtransplant.engine.flops import ModelSize, grid_flops, model_size
from xtransplant.types import Cell


def test_matmul_parameters_of_layers_that_are_not_linear():
    gpt2 = model_size(GPT2Config(n_embd=32, n_head=4, n_layer=3, vocab_size=101))
    # Queries, keys and values; the output; feed-forward, up and down.
    assert gpt2.layers == 3 * (32 * 96 + 32 * 32 + 2 * 32 * 128)
    assert gpt2.unembedding == 101 * 32
    mixtral = model_size(
        MixtralConfig(
            **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3},
            **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
            **{"num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 101},
        )
    )
    attention = 2 * 32 * 32 + 2 * 32 * 16
    assert mixtral.layers == 3 * (attention + 2 * 3 * 32 * 64), "two of four experts"


def test_a_write_at_every_step_costs_one_layer_more_of_each_later_token():
    size, cells = ModelSize(layers=40, unembedding=7), [Cell(0, 0), Cell(1, 3), Cell(2, 3)]
    once, again = (
        grid_flops(size, 4, cells, 5, 6, max_new_tokens=20, writes_again=every)
        for every in (False, True)
    )
    # By hand: own layers 4 + 1 + 1 of 4, and those of the baseline.
    assert once == 2 * (40 * 11 + (40 * (1 + 6 / 4) + 7 * 4) * 20)
    assert again - once == 2 * 3 * (40 / 4) * 19
