"""How many rows and prompts fit into memory at once."""

from __future__ import annotations

from typing import Any

import torch

from xtransplant.models.parallel import from_first

CPU_BUDGET = 256 << 20
"""Bytes for the suffixes of rows that decode together."""


def kv_bytes(text_config: Any, itemsize: int) -> int:
    """Bytes of the keys and values of one token in all layers."""
    n_heads = text_config.num_attention_heads
    n_kv = getattr(text_config, "num_key_value_heads", None) or n_heads
    width = getattr(text_config, "head_dim", None) or text_config.hidden_size // n_heads
    return 2 * int(text_config.num_hidden_layers) * int(n_kv) * int(width) * itemsize


def rows_together(
    asked: int | None,
    text_config: Any,
    dtype: torch.dtype,
    n_tokens: int,
    device: torch.device,
    n_branches: int = 0,
    state_bytes: int = 0,
    *,
    by_block: bool,
) -> int:
    """Return how many rows decode together at most: those asked for, else a number that fits.

    Each row keeps `n_tokens` keys and values. For a few steps it has `n_branches` option beginnings
    beside its own history; each of them has `state_bytes` of recurrent states, and a line of logits
    unless the unembedding runs `by_block`.
    """
    if asked is not None:
        return asked
    # A row owns the layers above its target layer: half of them on average.
    suffix = kv_bytes(text_config, dtype.itemsize) * n_tokens // 2
    logits = 0 if by_block else 4 * int(text_config.vocab_size)
    return max(1, _budget(device) // (suffix + (logits + state_bytes) * (1 + n_branches)))


def prompts_that_fit(
    text_config: Any, dtype: torch.dtype, n_tokens: int, device: torch.device
) -> int:
    """Choose how many prompts' prefixes are kept at once, in three times the memory that rows have.

    A prompt with few rows takes more memory than its rows do, and its rows' products are as large
    as there are prompts.
    """
    return max(1, 3 * _budget(device) // (kv_bytes(text_config, dtype.itemsize) * n_tokens))


def _budget(device: torch.device) -> int:
    """Bytes for the suffixes of rows; on a GPU an eighth of the free memory.

    Prompts may take three times as much (see `prompts_that_fit`), so that half of it stays free for
    what a pass makes.
    """
    if device.type != "cuda":
        return CPU_BUDGET
    # What earlier grids gave back is still held by torch, which will use it again.
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return from_first((torch.cuda.mem_get_info(device)[0] + held) // 8)
