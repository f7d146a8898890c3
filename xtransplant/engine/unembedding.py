"""The most likely next token, and log-probabilities, without a table of all logits.

A vocabulary is wide: the logits of a few hundred rows are tens of megabytes, which a CPU writes to
memory and reads again for the maximum. Here the unembedding runs in blocks of the vocabulary, and
of each block only its maximum is kept, and the sum for the log-probabilities of options. What the
model does to its logits afterwards (Gemma's soft-cap, Cohere's scale) is done to every one alike
and keeps their order, so it is done to the maxima; it does not keep the sums.

Shape suffixes: R rows, V vocabulary, N blocks of it, Q log-probabilities, D model width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.functional import linear

from xtransplant.engine.layout import Ints
from xtransplant.engine.passes import read
from xtransplant.engine.screening import Screen
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks

BLOCK_LOGITS = 1 << 20
"""Logits of a block: they stay in a CPU's cache; other sizes were not faster."""


class LogitBlocks:
    """What is kept of the logits of a step, known once the model has run.

    Args:
        unembedding: the model's.
        rows, tokens: log-probabilities to keep: of each token after the row beside it.
        screen: finds the maxima where it pays and no log-probabilities are kept.
    """

    def __init__(
        self, unembedding: nn.Linear, rows: Ints, tokens: Ints, screen: Screen | None = None
    ) -> None:
        self._unembedding = unembedding
        self._screen = screen
        self._rows_Q, self._tokens_Q = torch.from_numpy(rows), torch.from_numpy(tokens)
        self._best_RN = torch.empty(0)
        self.logprobs_Q = torch.empty(0)

    def forward(self, hidden_R1D: torch.Tensor) -> torch.Tensor:
        """Return the maxima, [R, 1, N], in place of the logits."""
        if self._screen is not None and self._is_screened(self._screen, hidden_R1D):
            maximum_R, token_R = self._screen.most_likely(hidden_R1D[:, 0])
            self._best_RN = token_R[:, None]
            return maximum_R[:, None, None]
        weight_VD, bias_V = self._unembedding.weight, self._unembedding.bias
        rows, of_wanted_Q = torch.unique(self._rows_Q, return_inverse=True)
        block_tokens = max(1, BLOCK_LOGITS // len(hidden_R1D))
        maxima, best, sums = [], [], []
        for start in range(0, len(weight_VD), block_tokens):
            block = slice(start, start + block_tokens)
            logits_RV = linear(hidden_R1D[:, 0], weight_VD[block], _part(bias_V, block))
            maximum_R, index_R = logits_RV.max(-1)
            maxima.append(maximum_R)
            best.append(index_R + start)
            if len(rows):
                sums.append(logits_RV[rows].float().logsumexp(-1))
        self._best_RN = torch.stack(best, -1)
        if len(rows):
            chosen_QD, bias_Q = hidden_R1D[self._rows_Q, 0], _part(bias_V, self._tokens_Q)
            logits_Q = (chosen_QD * weight_VD[self._tokens_Q]).sum(-1)
            logits_Q = logits_Q if bias_Q is None else logits_Q + bias_Q
            self.logprobs_Q = logits_Q.float() - torch.stack(sums).logsumexp(0)[of_wanted_Q]
        return torch.stack(maxima, -1)[:, None]

    def _is_screened(self, screen: Screen, hidden_R1D: torch.Tensor) -> bool:
        asked = len(self._rows_Q) == 0 and screen.pays(len(hidden_R1D))
        return asked and bool(hidden_R1D.isfinite().all())

    def tokens(self, block_R1: torch.Tensor) -> torch.Tensor:
        """Return the tokens, [R, 1], that are the maxima of the given blocks."""
        return self._best_RN.gather(-1, block_R1)


def _part(bias_V: torch.Tensor | None, part: slice | torch.Tensor) -> torch.Tensor | None:
    return None if bias_V is None else bias_V[part]


def runs_by_block(model: Model, *, logprobs: bool) -> bool:
    """Whether a step needs no table of logits.

    Only on a CPU, where the unembedding is a plain linear layer with a whole matrix, and, where
    log-probabilities are wanted, the model returns what it computes (one pass over a token tells).
    """
    unembedding = model.hf.get_output_embeddings()
    # Not isinstance: a quantised or adapted layer may be a subclass that computes otherwise.
    plain = type(unembedding) is nn.Linear and type(unembedding.weight) is nn.Parameter
    taken = "forward" in vars(unembedding)  # by accelerate, which fetches offloaded weights there
    if not plain or taken or unembedding.weight.device.type != "cpu":
        return False
    return not logprobs or _returns_raw_logits(model, unembedding)


def _returns_raw_logits(model: Model, unembedding: nn.Module) -> bool:
    raw: list[torch.Tensor] = []
    with hooks(on_output=[(unembedding, lambda logits: raw.append(logits.clone()))]):
        returned = read(model, [(0,)])
    return bool((returned == raw[0]).all())


def screen_of(model: Model) -> Screen | None:
    """Return a screen for a model that `runs_by_block`; None where its bounds would not hold."""
    unembedding = model.hf.get_output_embeddings()
    if unembedding.bias is not None or unembedding.weight.dtype != torch.float32:
        return None
    return Screen(unembedding.weight)


@contextmanager
def logit_blocks(
    model: Model, rows: Ints, tokens: Ints, screen: Screen | None = None
) -> Iterator[LogitBlocks]:
    """Let a model that `runs_by_block` return block maxima for logits inside this `with`."""
    unembedding = model.hf.get_output_embeddings()
    blocks = LogitBlocks(unembedding, rows, tokens, screen)
    vars(unembedding)["forward"] = blocks.forward
    try:
        yield blocks
    finally:
        del vars(unembedding)["forward"]
