"""The number of rows and prompts that fit into memory at once."""

from __future__ import annotations

from typing import Any

import torch

from xtransplant.models.parallel import from_first

CPU_BUDGET = 256 << 20
"""Bytes for the suffixes of rows that are decoded together on a CPU."""


def kv_bytes(text_config: Any, itemsize: int) -> int:
    """Return the size of the keys and values of one token in all layers, in bytes."""
    n_heads = text_config.num_attention_heads
    n_kv = getattr(text_config, "num_key_value_heads", None) or n_heads
    width = getattr(text_config, "head_dim", None) or text_config.hidden_size // n_heads
    return 2 * int(text_config.num_hidden_layers) * int(n_kv) * int(width) * itemsize


def rows_that_fit(
    text_config: Any,
    dtype: torch.dtype,
    device: torch.device,
    *,
    n_tokens: int,
    n_branches: int = 0,
    state_bytes: int = 0,
    by_block: bool,
) -> int:
    """Return the number of rows that fit into memory together; at least 1.

    Args:
        text_config: configuration of the language model.
        dtype: type of keys and values.
        device: device of the rows.
        n_tokens: number of tokens per row whose keys and values are kept.
        n_branches: number of option beginnings that a row follows besides its own history. Each of
            them, and the row itself, has its own recurrent states and logits.
        state_bytes: size of one row's recurrent states.
        by_block: whether the unembedding runs in blocks, so that no row keeps its logits.
    """
    # A row has its own keys and values above its target layer: in half of the layers on average.
    suffix = kv_bytes(text_config, dtype.itemsize) * n_tokens // 2
    logits = 0 if by_block else 4 * int(text_config.vocab_size)
    return max(1, _budget(device) // (suffix + (logits + state_bytes) * (1 + n_branches)))


def prompts_that_fit(
    text_config: Any, dtype: torch.dtype, device: torch.device, *, n_tokens: int
) -> int:
    """Return the number of prefixes of `n_tokens` tokens that are kept at once; at least 1.

    Prefixes get three times the memory of the rows. If prompts have few rows each, prefixes take
    most of the memory, and more prompts make matrix products larger.
    """
    return max(1, 3 * _budget(device) // (kv_bytes(text_config, dtype.itemsize) * n_tokens))


def _budget(device: torch.device) -> int:
    """Return the number of bytes for the suffixes of rows: on a GPU, an eighth of the free memory.

    Prefixes take up to three eighths (see `prompts_that_fit`). The other half is for the tensors of
    a forward pass.
    """
    if device.type != "cuda":
        return CPU_BUDGET
    # Memory that earlier grids freed stays with torch, which uses it again.
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return from_first((torch.cuda.mem_get_info(device)[0] + held) // 8)
