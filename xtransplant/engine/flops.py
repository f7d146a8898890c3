"""What a grid costs by a model's configuration: parameters, FLOPs, bytes, rows that fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from xtransplant.models.architecture import auto_class
from xtransplant.models.parallel import from_first
from xtransplant.types import Cell

CPU_BUDGET = 256 << 20
"""Bytes for the suffixes of rows that decode together."""


@dataclass(frozen=True)
class ModelSize:
    """Matmul parameters: of all decoder layers together, and of the unembedding."""

    layers: int
    unembedding: int


def model_size(config: Any) -> ModelSize:
    """Count matmul parameters on torch's meta device: nothing is loaded or allocated.

    Of an encoder-decoder model those of the decoder, which are about as many as the encoder's: a
    prompt is read by the one and answered by the other.
    """
    with torch.device("meta"):
        hf: Any = auto_class(config).from_config(config)
    unembedding = hf.get_output_embeddings().weight.numel()
    parts = (hf.get_decoder() if config.is_encoder_decoder else hf).modules()
    layers = sum(_matmul_parameters(part, config.get_text_config()) for part in parts)
    if not config.is_encoder_decoder:
        layers -= unembedding
    return ModelSize(layers=layers, unembedding=unembedding)


def _matmul_parameters(part: nn.Module, text_config: Any) -> int:
    """Count a module's own that a token meets: of experts, which are one tensor, a few.

    What chooses the experts is left out.
    """
    if isinstance(part, nn.Linear | Conv1D):
        return int(part.weight.numel())
    n_experts = getattr(text_config, "num_local_experts", None) or getattr(
        text_config, "num_experts", None
    )
    experts = [p for p in part.parameters(recurse=False) if p.dim() == 3 and len(p) == n_experts]
    return sum(p[0].numel() for p in experts) * getattr(text_config, "num_experts_per_tok", 0)


def grid_flops(
    size: ModelSize,
    n_layers: int,
    cells: Sequence[Cell],
    source_tokens: int,
    target_tokens: int,
    max_new_tokens: int,
) -> float:
    """Estimate the floating-point operations of one instance's grid, baseline included.

    Two prompts once, then for every cell the layers above its target layer; the layers that rows
    share, attention scores and early ends are left out.
    """
    prompts = source_tokens + target_tokens
    own_layers = sum((n_layers - cell.target_layer) / n_layers for cell in cells) + 1
    decoded = size.layers * own_layers + size.unembedding * (len(cells) + 1)
    return 2.0 * (size.layers * prompts + decoded * max_new_tokens)


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


def matmul_rate(dtype: torch.dtype, device: torch.device, size: int = 1024) -> float:
    """Measure floating-point operations per second of square matrix products, for a few tenths."""
    left, right = torch.randn(2, size, size, device=device).to(dtype)
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < 0.2 or done < 2:
        (left @ right)[0, 0].item()
        done += 1
    return done * 2.0 * size**3 / elapsed


def device_name(device: torch.device) -> str:
    """Name a device for a record: "cpu (2 threads)", "cuda:0 (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"
