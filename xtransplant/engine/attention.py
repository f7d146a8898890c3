"""Attention of many rows over shared prefixes, each row with a short suffix of its own.

Rows of one prompt see the same prefix. The prefix part is therefore one matrix product per prompt
and KV head, with the rows folded into the query length.

Shape suffixes: R rows, B prompts, C maximum rows of a prompt, H query heads, K key/value heads,
G query heads per KV head (H = K * G), P prefix tokens, S suffix tokens, E head width; c = C * G,
t = P + S.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

MAX_SCORES = 1 << 20
"""Maximum number of scores held at once on a CPU, so that the softmax stays in the CPU's cache.

Without a limit, memory would grow with rows x prompt length. Larger blocks were not faster.
"""

MAX_SCORES_GPU = 1 << 26
"""Maximum number of scores held at once on a GPU, where each block costs a dozen kernel launches.

The scores and their copies take 0.7 GB in bfloat16, 1.1 GB in float32 with a soft-cap.
"""

KeysValues = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Places:
    """The place of each row in a table with one line per prompt.

    Attributes:
        n_prompts: number of lines.
        width: number of rows in a line.
        index: place of each row in the flattened table; None if all rows belong to one prompt, so
            that the table is a view of them. It is moved to the rows' device at each use, because
            a model's layers may be on several devices.
    """

    n_prompts: int = 1
    width: int = 0
    index: torch.Tensor | None = None

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """Turn [R, ...] into [B, C, ...], with zeros where a prompt has fewer rows."""
        if self.index is None:
            return rows[None]
        table = rows.new_zeros(self.n_prompts * self.width, *rows.shape[1:])
        table[self.index.to(rows.device)] = rows
        return table.view(self.n_prompts, self.width, *rows.shape[1:])

    def collect(self, table: torch.Tensor) -> torch.Tensor:
        """Turn [B, C, ...] into [R, ...]."""
        rows = table.flatten(0, 1)
        return rows if self.index is None else rows.index_select(0, self.index.to(rows.device))


ONE_PROMPT = Places()


@dataclass(frozen=True)
class ScoreRule:
    """How a layer computes scores from queries and keys.

    Attributes:
        scaling: factor on the products.
        softcap: bound on the scaled scores (Gemma 2); None for no bound.
        sinks_H: score of an extra token without a value, which every query sees (gpt-oss); None if
            there is none.
    """

    scaling: float
    softcap: float | None = None
    sinks_H: torch.Tensor | None = None


def attend(
    query_RHE: torch.Tensor,
    prefix: KeysValues,
    suffix: KeysValues,
    rule: ScoreRule,
    places: Places = ONE_PROMPT,
    padding_BP: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attend from one token of each row to its prompt's prefix and to its own suffix.

    Args:
        query_RHE: query of each row and head.
        prefix: keys and values of the prefixes, each [B, K, P, E].
        suffix: keys and values of the suffixes, each [R, K, S, E].
        rule: rule for the scores.
        places: places that tell which prompt each row belongs to.
        padding_BP: mask, True where a prefix has no token; None if all are equally long.

    Returns:
        Output, [R, H, E], in the query's dtype; the softmax runs in float32, as in transformers.
    """
    suffix_keys_RKSE, suffix_values_RKSE = suffix
    (n_rows, n_heads, width), n_kv = query_RHE.shape, suffix_keys_RKSE.shape[1]
    query_RKGE = query_RHE.view(n_rows, n_kv, n_heads // n_kv, width) * rule.scaling
    suffix_scores_RKGS = query_RKGE @ suffix_keys_RKSE.mT
    if rule.sinks_H is not None:
        sinks_RKG1 = rule.sinks_H.view(n_kv, -1, 1).expand(n_rows, -1, -1, -1)
        suffix_scores_RKGS = torch.cat([suffix_scores_RKGS, sinks_RKG1], -1)
    out_BCKGE, weights_BCKGS = _attend_in_blocks(
        places.spread(query_RKGE),
        places.spread(suffix_scores_RKGS),
        prefix,
        rule.softcap,
        padding_BP,
    )
    out_RKGE, weights_RKGS = places.collect(out_BCKGE), places.collect(weights_BCKGS)
    weights_RKGS = weights_RKGS[..., : suffix_keys_RKSE.shape[2]]
    return (out_RKGE + weights_RKGS @ suffix_values_RKSE).flatten(1, 2)


def _attend_in_blocks(
    query_BCKGE: torch.Tensor,
    suffix_scores_BCKGS: torch.Tensor,
    prefix: KeysValues,
    softcap: float | None,
    padding_BP: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the prefix's part of the output [B, C, K, G, E] and the weights of the suffix."""
    n_prompts, n_rows, n_kv, n_group, _ = query_BCKGE.shape
    n_tokens = prefix[0].shape[2] + suffix_scores_BCKGS.shape[-1]
    row_scores = n_kv * n_group * n_tokens
    at_once = MAX_SCORES if query_BCKGE.device.type == "cpu" else MAX_SCORES_GPU
    block_prompts = min(n_prompts, max(1, at_once // (n_rows * row_scores)))
    block_rows = min(n_rows, max(1, at_once // (block_prompts * row_scores)))
    out_BCKGE = torch.empty_like(query_BCKGE)
    weights_BCKGS = torch.empty_like(suffix_scores_BCKGS)
    for first_prompt in range(0, n_prompts, block_prompts):
        prompts = slice(first_prompt, first_prompt + block_prompts)
        for first_row in range(0, n_rows, block_rows):
            block = prompts, slice(first_row, first_row + block_rows)
            out_BCKGE[block], weights_BCKGS[block] = _attend_block(
                query_BCKGE[block],
                suffix_scores_BCKGS[block],
                (prefix[0][prompts], prefix[1][prompts]),
                softcap,
                None if padding_BP is None else padding_BP[prompts],
            )
    return out_BCKGE, weights_BCKGS


def _attend_block(
    query_BCKGE: torch.Tensor,
    suffix_scores_BCKGS: torch.Tensor,
    prefix: KeysValues,
    softcap: float | None,
    padding_BP: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    keys_BKPE, values_BKPE = prefix
    n_prefix, shape = keys_BKPE.shape[2], query_BCKGE.shape[1:4]
    prefix_scores_BKcP = _fold(query_BCKGE) @ keys_BKPE.mT
    scores_BKct = torch.cat([prefix_scores_BKcP, _fold(suffix_scores_BCKGS)], -1)
    if softcap is not None:
        scores_BKct = torch.tanh(scores_BKct / softcap) * softcap
    if padding_BP is not None:
        scores_BKct[..., :n_prefix].masked_fill_(padding_BP[:, None, None], -torch.inf)
    weights_BKct = scores_BKct.softmax(-1, dtype=torch.float32).to(query_BCKGE.dtype)
    out_BKcE = weights_BKct[..., :n_prefix] @ values_BKPE
    return _unfold(out_BKcE, shape), _unfold(weights_BKct[..., n_prefix:], shape)


def _fold(table_BCKGX: torch.Tensor) -> torch.Tensor:
    """Fold rows and query heads of a KV head into one query length: [B, K, C * G, X]."""
    return table_BCKGX.transpose(1, 2).flatten(2, 3)


def _unfold(table_BKcX: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Undo `_fold`; `shape` is (C, K, G)."""
    return table_BKcX.view(*table_BKcX.shape[:2], shape[0], shape[2], -1).transpose(1, 2)
