"""Random checkpoints of a few kilobytes, written as others write theirs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from xtransplant.errors import ModelError

N_LAYERS = 3
BYTES = {piece: 3 + i for i, piece in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
VOCABULARY = {"<unk>": 0, "<s>": 1, "</s>": 2, **BYTES}


def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE(vocab=VOCABULARY, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


def save_llama(folder: Path, seed: int = 0, **changes: Any) -> LlamaForCausalLM:
    """Write a Llama checkpoint with its tokenizer; `changes` go to its config."""
    torch.manual_seed(seed)
    sizes = {
        **{"vocab_size": len(VOCABULARY), "hidden_size": 16, "intermediate_size": 32},
        **{"num_hidden_layers": N_LAYERS, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{"max_position_embeddings": 64, "initializer_range": 0.3},
    }
    model = LlamaForCausalLM(LlamaConfig(**{**sizes, **changes})).eval()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return model


def write_gguf(path: Path, seed: int = 0, left_out: str = "") -> dict[str, np.ndarray]:
    """Write a two-layer Llama as GGUF, without the tensor `left_out`; return its tensors."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), "▁", "a", "b", "▁a"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores([0.0] * 259 + [0.0, -1.0, -2.0, -3.0])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * 4)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (263, 32), "output": (263, 32)}
    for layer in ("blk.0", "blk.1"):
        shapes |= {f"{layer}.{name}": (32, 32) for name in ("attn_q", "attn_output")}
        shapes |= {f"{layer}.{name}": (16, 32) for name in ("attn_k", "attn_v")}
        shapes |= {f"{layer}.{name}": (64, 32) for name in ("ffn_gate", "ffn_up")}
        shapes |= {f"{layer}.ffn_down": (32, 64)}
        shapes |= {f"{layer}.{name}": (32,) for name in ("attn_norm", "ffn_norm")}
    shapes["output_norm"] = (32,)
    tensors = {
        f"{name}.weight": random.normal(0, 0.2, shape).astype(np.float32)
        for name, shape in shapes.items()
        if name != left_out
    }
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def message(call: Callable[[], object]) -> str:
    """Return the one line of the ModelError that `call` must raise.

    It may be 400 characters long, beside the paths in it: those are the machine's.
    """
    with pytest.raises(ModelError) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text and len(re.sub(r"'/[^']*'", "", text)) < 400
    return text
