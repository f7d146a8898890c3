"""The most likely next token without a table of all logits.

A vocabulary is wide: the logits of a few hundred rows are tens of megabytes, which a CPU writes to
memory and reads again for the maximum. Here the unembedding runs in blocks of the vocabulary, and
of each block only its maximum is kept. What the model does to its logits afterwards (Gemma's
soft-cap, Cohere's scale) is done to every one alike and keeps their order, so it is done to the
maxima.

Shape suffixes: R rows, V vocabulary, N blocks of the vocabulary, D model width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

BLOCK = 4096
"""Vocabulary of a block: its logits stay in a CPU's cache; other sizes were not faster."""


class BestByBlock:
    """Which token is the maximum of each block of the vocabulary, once the model has run."""

    def __init__(self, unembedding: nn.Linear) -> None:
        self._unembedding = unembedding
        self._best_RN = torch.empty(0)

    def forward(self, hidden_R1D: torch.Tensor) -> torch.Tensor:
        """Return the maxima, [R, 1, N], in place of the logits."""
        weight_VD, bias_V = self._unembedding.weight, self._unembedding.bias
        maxima, best = [], []
        for start in range(0, weight_VD.shape[0], BLOCK):
            block = slice(start, start + BLOCK)
            bias = None if bias_V is None else bias_V[block]
            maximum_R1, index_R1 = linear(hidden_R1D, weight_VD[block], bias).max(-1)
            maxima.append(maximum_R1)
            best.append(index_R1 + start)
        self._best_RN = torch.cat(best, -1)
        return torch.stack(maxima, -1)

    def tokens(self, block_R1: torch.Tensor) -> torch.Tensor:
        """Return the tokens, [R, 1], that are the maxima of the given blocks."""
        return self._best_RN.gather(-1, block_R1)


@contextmanager
def best_by_block(hf: Any) -> Iterator[BestByBlock | None]:
    """Let a Hugging Face model return block maxima for logits inside this block.

    Only on a CPU, and only where the unembedding is a plain linear layer with a whole matrix: None
    if not, and the model returns its logits.
    """
    unembedding: Any = hf.get_output_embeddings()
    # Not isinstance: a quantised or adapted layer may be a subclass that computes otherwise.
    plain = type(unembedding) is nn.Linear and type(unembedding.weight) is nn.Parameter
    if not plain or unembedding.weight.device.type != "cpu":
        yield None
        return
    best = BestByBlock(unembedding)
    vars(unembedding)["forward"] = best.forward
    try:
        yield best
    finally:
        del vars(unembedding)["forward"]
