"""The most likely tokens of many rows, without most products of the unembedding.

Rows of a grid differ by one write, so their last hidden states lie close to a subspace of few
dimensions. If Q are orthonormal directions of the subspace, a state is h = Qᵀc + e with a short e.
By the Cauchy-Schwarz inequality, the logit of a token with embedding w is bounded by

    w·h  =  (Qw)·c + w·e  ≤  (Qw)·c + |w - QᵀQw| |e|

which takes products of |Q| numbers instead of D. A token whose bound is below the logit of another
token is not the most likely one. The logits of the few remaining tokens are computed in full. The
bound includes rounding errors, so the result is that of the full product.

Shape suffixes: R rows, D model width, V vocabulary, B tokens of a block, Q directions, C chunks.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch.linalg import vector_norm
from torch.nn.functional import pad

SAMPLED, FARTHEST = 48, 32
"""Numbers of directions: from evenly sampled rows, and from the rows farthest from their subspace.

On SmolLM2's grids, about one token in fifty remains, over all rows together. With 32 and 32, up to
all tokens remain; 64 and 32 cost more than they save.
"""

CHUNK_TOKENS = 16
"""Number of tokens that share one bound; bounds take a sixteenth of the memory of the logits."""

MAX_CHUNKS = 64
"""Maximum number of remaining chunks of a row; a row with more is computed in full."""

BLOCK_LOGITS = 1 << 20
"""Maximum number of logits or bounds held at once, so that they stay in a CPU's cache."""


class Screen:
    """Finds the most likely token for each of many hidden states.

    Args:
        weight_VD: weight of the unembedding, float32. The unembedding must have no bias.
    """

    def __init__(self, weight_VD: torch.Tensor) -> None:
        self._weight_VD = weight_VD
        self._worth_it = True

    def pays(self, n_rows: int) -> bool:
        """Return whether screening should take clearly fewer products than computing all logits."""
        n_directions, width = SAMPLED + FARTHEST, self._weight_VD.shape[1]
        return self._worth_it and n_directions * (1 / n_rows + 1 / width) < 0.5

    def most_likely(self, hidden_RD: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each row's largest logit and its token, [R] each; the states must be finite."""
        bounds_RC = self._bounds(hidden_RD)
        promising_C = torch.unique(bounds_RC.argmax(-1))
        reached_R, _ = self._largest(hidden_RD, promising_C)
        open_RC = bounds_RC >= (reached_R - self._rounding(hidden_RD))[:, None]
        is_hard_R = open_RC.sum(-1) > MAX_CHUNKS
        self._worth_it = bool(is_hard_R.float().mean() < 0.5)
        every_C = torch.arange(bounds_RC.shape[1])
        if is_hard_R.all():
            return self._largest(hidden_RD, every_C)
        logits_R, tokens_R = self._largest(hidden_RD, open_RC[~is_hard_R].any(0).nonzero()[:, 0])
        if is_hard_R.any():
            logits_R[is_hard_R], tokens_R[is_hard_R] = self._largest(hidden_RD[is_hard_R], every_C)
        return logits_R, tokens_R

    def _bounds(self, hidden_RD: torch.Tensor) -> torch.Tensor:
        """Return the largest bound in each chunk of tokens, [R, C]."""
        directions_QD = _directions(hidden_RD)
        coordinates_RQ = hidden_RD @ directions_QD.T
        rest_R = vector_norm(hidden_RD - coordinates_RQ @ directions_QD, dim=-1)
        # The second term of the bound is treated as one more coordinate.
        left_RQ = torch.cat([coordinates_RQ, rest_R[:, None]], -1)
        (n_rows, width), n_tokens = hidden_RD.shape, len(self._weight_VD)
        block_tokens = _block_tokens(n_rows)
        largest_RC = hidden_RD.new_empty(n_rows, -(-n_tokens // CHUNK_TOKENS))
        for start in range(0, n_tokens, block_tokens):
            block = slice(start, start + block_tokens)
            weight_BD, square_B = self._weight_VD[block], self._norms_V[block].square()
            right_QB = weight_BD.new_empty(len(directions_QD) + 1, len(weight_BD))
            torch.mm(directions_QD, weight_BD.T, out=right_QB[:-1])
            outside_B = (square_B - right_QB[:-1].square().sum(0)).clamp(min=0)
            right_QB[-1] = (outside_B + width * _EPSILON * square_B).sqrt()
            bounds_RB = left_RQ @ right_QB
            if n_missing := -len(weight_BD) % CHUNK_TOKENS:
                bounds_RB = pad(bounds_RB, (0, n_missing), value=-torch.inf)
            chunks_RCB = bounds_RB.view(n_rows, -1, CHUNK_TOKENS)
            first = start // CHUNK_TOKENS
            largest_RC[:, first : first + chunks_RCB.shape[1]] = chunks_RCB.amax(-1)
        return largest_RC

    def _largest(
        self, hidden_RD: torch.Tensor, chunks_C: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return each row's largest logit in some chunks and its token, [R] each."""
        tokens_V = (chunks_C[:, None] * CHUNK_TOKENS + torch.arange(CHUNK_TOKENS)).flatten()
        tokens_V = tokens_V[tokens_V < len(self._weight_VD)]
        maxima, tokens = [], []
        for tokens_B in torch.split(tokens_V, _block_tokens(len(hidden_RD))):
            maximum_R, index_R = (hidden_RD @ self._weight_VD[tokens_B].T).max(-1)
            maxima.append(maximum_R)
            tokens.append(tokens_B[index_R])
        logits_R, block_R = torch.stack(maxima).max(0)
        return logits_R, torch.stack(tokens).gather(0, block_R[None])[0]

    def _rounding(self, hidden_RD: torch.Tensor) -> torch.Tensor:
        """Return a bound on rounding errors, [R]: twice the bound of one product of D terms."""
        norms_R: torch.Tensor = vector_norm(hidden_RD, dim=-1)
        return 2 * hidden_RD.shape[1] * _EPSILON * self._norms_V.max() * norms_R

    @cached_property
    def _norms_V(self) -> torch.Tensor:
        norms_V: torch.Tensor = vector_norm(self._weight_VD, dim=-1)
        return norms_V


_EPSILON = torch.finfo(torch.float32).eps


def _directions(hidden_RD: torch.Tensor) -> torch.Tensor:
    """Return orthonormal directions, [Q, D], whose span the rows are close to."""
    sampled = torch.linspace(0, len(hidden_RD) - 1, SAMPLED).long()
    near_QD = _orthonormal(hidden_RD[sampled])
    # One step of the power method turns them towards all rows.
    near_QD = _orthonormal((near_QD @ hidden_RD.T) @ hidden_RD)
    rest_RD = hidden_RD - (hidden_RD @ near_QD.T) @ near_QD
    farthest = vector_norm(rest_RD, dim=-1).topk(FARTHEST).indices
    return _orthonormal(torch.cat([near_QD, rest_RD[farthest]]))


def _orthonormal(rows_QD: torch.Tensor) -> torch.Tensor:
    columns_DQ: torch.Tensor = torch.linalg.qr(rows_QD.T).Q
    return columns_DQ.T.contiguous()


def _block_tokens(n_rows: int) -> int:
    return max(1, BLOCK_LOGITS // n_rows // CHUNK_TOKENS) * CHUNK_TOKENS
