"""The most likely next token, and log-probabilities, without a table of all logits.

A vocabulary is large: the logits of a few hundred rows are tens of megabytes, which a CPU would
write to memory and read again for the maximum. Here the unembedding runs in blocks of the
vocabulary. Only the maximum of each block is kept and, for log-probabilities of options, the
log-sum-exp. Some models transform their logits afterwards (Gemma's soft-cap, Cohere's scale). The
transformation is the same for all logits and keeps their order, so it can be applied to the maxima.
It would change the sums.

Shape suffixes: R rows, S rows with a sum, V vocabulary, Q log-probabilities, D model width.
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
"""Number of logits in a block. They stay in a CPU's cache; other sizes were not faster."""


class LogitBlocks:
    """The most likely tokens and the wanted log-probabilities of a step, after the model has run.

    Args:
        unembedding: unembedding layer of the model.
        rows: rows with a wanted log-probability.
        tokens: token to compute the log-probability of, for each of `rows`.
        screen: screen for rows without wanted log-probabilities; None for no screening.

    Attributes:
        tokens_R: most likely token of each row.
        logprobs_Q: wanted log-probabilities.
    """

    def __init__(
        self, unembedding: nn.Linear, rows: Ints, tokens: Ints, screen: Screen | None = None
    ) -> None:
        self._unembedding = unembedding
        self._screen = screen
        self._rows_Q, self._tokens_Q = torch.from_numpy(rows), torch.from_numpy(tokens)
        self.tokens_R = torch.empty(0)
        self.logprobs_Q = torch.empty(0)

    def forward(self, hidden_R1D: torch.Tensor) -> torch.Tensor:
        """Return each row's largest logit, [R, 1, 1], instead of all logits."""
        hidden_RD = hidden_R1D[:, 0]
        is_summed_R = torch.zeros(len(hidden_RD), dtype=torch.bool)
        is_summed_R[self._rows_Q] = True
        maximum_R = hidden_RD.new_empty(len(hidden_RD))
        self.tokens_R = torch.empty(len(hidden_RD), dtype=torch.long)
        if is_summed_R.any():
            maximum_R[is_summed_R], self.tokens_R[is_summed_R], sum_S = self._by_block(
                hidden_RD[is_summed_R], sums=True
            )
            place_R = is_summed_R.cumsum(0) - 1
            logits_Q = self._wanted(hidden_RD)
            self.logprobs_Q = logits_Q.float() - sum_S[place_R[self._rows_Q]]
        if not is_summed_R.all():
            maximum_R[~is_summed_R], self.tokens_R[~is_summed_R] = self._most_likely(
                hidden_RD[~is_summed_R]
            )
        return maximum_R[:, None, None]

    def _most_likely(self, hidden_RD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each row's largest logit and its token, [R] each."""
        screen = self._screen
        if screen is not None and screen.pays(len(hidden_RD)) and hidden_RD.isfinite().all():
            return screen.most_likely(hidden_RD)
        maximum_R, tokens_R, _ = self._by_block(hidden_RD, sums=False)
        return maximum_R, tokens_R

    def _by_block(
        self, hidden_RD: torch.Tensor, *, sums: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return each row's largest logit, its token and, with `sums`, the log-sum-exp."""
        weight_VD, bias_V = self._unembedding.weight, self._unembedding.bias
        block_tokens = max(1, BLOCK_LOGITS // len(hidden_RD))
        maxima, best, log_sums = [], [], []
        for start in range(0, len(weight_VD), block_tokens):
            block = slice(start, start + block_tokens)
            logits_RV = linear(hidden_RD, weight_VD[block], _part(bias_V, block))
            maximum_R, index_R = logits_RV.max(-1)
            maxima.append(maximum_R)
            best.append(index_R + start)
            if sums:
                log_sums.append(logits_RV.float().logsumexp(-1))
        maximum_R, block_R = torch.stack(maxima).max(0)
        tokens_R = torch.stack(best).gather(0, block_R[None])[0]
        sum_R = torch.stack(log_sums).logsumexp(0) if sums else maximum_R
        return maximum_R, tokens_R, sum_R

    def _wanted(self, hidden_RD: torch.Tensor) -> torch.Tensor:
        """Return the logit of each wanted token after its row, [Q]."""
        weight_QD = self._unembedding.weight[self._tokens_Q]
        bias_Q = _part(self._unembedding.bias, self._tokens_Q)
        logits_Q = (hidden_RD[self._rows_Q] * weight_QD).sum(-1)
        return logits_Q if bias_Q is None else logits_Q + bias_Q


def _part(bias_V: torch.Tensor | None, part: slice | torch.Tensor) -> torch.Tensor | None:
    return None if bias_V is None else bias_V[part]


def runs_by_block(model: Model, *, logprobs: bool) -> bool:
    """Return whether the unembedding can run in blocks, without a table of all logits.

    It can on a CPU if it is a plain linear layer with its whole matrix. With `logprobs`, the model
    must also return its logits unchanged; one pass over a token tests this.
    """
    unembedding = model.hf.get_output_embeddings()
    # Not isinstance, because a quantised or adapted layer may be a subclass.
    plain = type(unembedding) is nn.Linear and type(unembedding.weight) is nn.Parameter
    taken = "forward" in vars(unembedding)  # accelerate replaces it to fetch offloaded weights
    if not plain or taken or unembedding.weight.device.type != "cpu":
        return False
    return not logprobs or _returns_raw_logits(model, unembedding)


def _returns_raw_logits(model: Model, unembedding: nn.Module) -> bool:
    raw: list[torch.Tensor] = []
    with hooks(on_output=[(unembedding, lambda logits: raw.append(logits.clone()))]):
        returned = read(model, [(0,)])
    return bool((returned == raw[0]).all())


def screen_of(model: Model) -> Screen | None:
    """Return a screen for a model that `runs_by_block`; None if its bounds would not hold."""
    unembedding = model.hf.get_output_embeddings()
    if unembedding.bias is not None or unembedding.weight.dtype != torch.float32:
        return None
    return Screen(unembedding.weight)


@contextmanager
def logit_blocks(
    model: Model, rows: Ints, tokens: Ints, screen: Screen | None = None
) -> Iterator[LogitBlocks]:
    """Make a model that `runs_by_block` return only each row's largest logit, inside the `with`."""
    unembedding = model.hf.get_output_embeddings()
    blocks = LogitBlocks(unembedding, rows, tokens, screen)
    vars(unembedding)["forward"] = blocks.forward
    try:
        yield blocks
    finally:
        del vars(unembedding)["forward"]
