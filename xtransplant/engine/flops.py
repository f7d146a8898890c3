"""The cost of a grid (parameters and FLOPs), estimated from a model's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from xtransplant.models.architecture import auto_class
from xtransplant.types import Cell


@dataclass(frozen=True)
class ModelSize:
    """Numbers of matmul parameters: of all decoder layers together, and of the unembedding."""

    layers: int
    unembedding: int


def model_size(config: Any) -> ModelSize:
    """Count matmul parameters on torch's meta device, without loading or allocating anything.

    In an encoder-decoder model, only the decoder is counted. The encoder, which reads the prompt,
    has about as many parameters as the decoder, which answers it.
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
    """Count the matmul parameters in a module itself (not its children) that one token uses.

    Experts are one tensor, of which a token uses a few. The router is not counted.
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
    *,
    writes_again: bool = False,
) -> float:
    """Estimate the floating-point operations of one instance's grid, baseline included.

    Counted are one pass over each prompt and, for every cell, the layers above its target layer. A
    cell that writes again computes its target layer too at each later token. Layers that rows
    share, attention scores and early ends are left out.
    """
    prompts = source_tokens + target_tokens
    own_layers = sum((n_layers - cell.target_layer) / n_layers for cell in cells) + 1
    decoded = size.layers * own_layers + size.unembedding * (len(cells) + 1)
    again = size.layers * len(cells) / n_layers * (max_new_tokens - 1) * writes_again
    return 2.0 * (size.layers * prompts + decoded * max_new_tokens + again)
