"""The loop over new tokens: a batch of rows, each a target prompt with at most one write.

Shape suffixes: R rows, W rows that are written to, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import numpy.typing as npt
import torch

from xtransplant.engine import growth
from xtransplant.engine.attention import ONE_PROMPT, Places
from xtransplant.engine.histories import Histories, OptionPairs
from xtransplant.engine.layout import Ints, StepLayout
from xtransplant.engine.model_cache import RowsCache
from xtransplant.engine.options import OptionTrees
from xtransplant.engine.prefix_cache import Move, SharedPrefixCache, shared_prefix_attention
from xtransplant.engine.rows import Continuation, Row
from xtransplant.engine.unembedding import LogitBlocks, logit_blocks, screen_of
from xtransplant.engine.writes import writes
from xtransplant.errors import NumericsError
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks

Floats = npt.NDArray[np.float32]

LOGPROB_ROWS = 64
"""Rows whose log-probabilities are normalised at once: it bounds a copy of their logits."""


class NonFiniteLogits(NumericsError):
    """Logits of a row are NaN or infinite."""

    def __init__(self, row: Row) -> None:
        super().__init__(
            f"NaN or infinite logits after a write at target layer {row.layer}; "
            "try model.dtype=float32"
        )
        self.row = row


def decode_batch(
    model: Model,
    cache: SharedPrefixCache,
    rows: Sequence[Row],
    last_tokens: Sequence[int],
    trees: OptionTrees,
    max_new_tokens: int,
    *,
    by_block: bool,
) -> list[Continuation]:
    """Decode rows together; see `layout` for which of them compute where.

    Args:
        model: any supported model.
        cache: the prefixes of the batch's prompts, without suffixes.
        rows: sorted by target layer; `target` counts the cache's prompts.
        last_tokens: of each prompt, the token that is not in its prefix.
        trees: the options of each prompt.
        max_new_tokens: tokens generated at most.
        by_block: whether no step needs a table of logits; see `unembedding`.

    Raises:
        NonFiniteLogits: of a row, which the error tells.
    """
    target_layer = np.array([row.layer for row in rows])
    prompt = np.array([row.target for row in rows])
    eos = list(model.eos_token_ids)
    tokens: list[list[int]] = [[] for _ in rows]
    node_logprobs = np.zeros((len(rows), len(trees.children)))
    histories = Histories.at_prompt(prompt, np.array(last_tokens), trees)
    grown, last, seen = growth.Growth(), None, RowsCache(model, cache)
    rows_differ = len(last_tokens) > 1 or model.own_attention
    screen = screen_of(model) if by_block else None
    with (
        shared_prefix_attention(model, cache),
        hooks(
            on_input=grown.on_input(model.layers),
            on_positions=grown.on_positions(model.layers) if rows_differ else (),
        ),
    ):
        for step in range(max(max_new_tokens, trees.depth)):
            layers = target_layer[histories.row]
            layout = StepLayout.of(layers, histories.history, model.n_layers, first=step == 0)
            _lay_out(model, cache, seen, grown, last, layout, histories, prompt)
            pairs = OptionPairs.of(histories, trees)
            slots = layout.slots(model.n_layers - 1, np.arange(len(histories)))
            wanted = slots[pairs.entry], pairs.token
            # Where they have just been written to, rows differ too much.
            usable = screen if step > 0 else None
            embedded = layout.rows(-1)
            with (
                hooks(on_output=writes(model, rows) if step == 0 else ()),
                logit_blocks(model, *wanted, usable) if by_block else nullcontext() as blocks,
            ):
                logits_RV = _logits(
                    model,
                    histories.token[embedded],
                    cache.positions(prompt[histories.row[embedded]]),
                    seen,
                )
            chosen = _most_likely(logits_RV, blocks)[slots]
            if (chosen < 0).any():
                worst = int(histories.row[chosen < 0][0])
                raise NonFiniteLogits(rows[worst])
            row = histories.row[pairs.entry]
            found = blocks.logprobs_Q.numpy() if blocks else _logprobs(logits_RV, *wanted)
            node_logprobs[row, pairs.child] = node_logprobs[row, pairs.node] + found
            for entry in np.flatnonzero(histories.free):
                tokens[histories.row[entry]].append(int(chosen[entry]))
            ends = np.isin(chosen, eos) | (step + 1 >= max_new_tokens)
            histories, last = histories.advance(chosen, ends, trees, target_layer), layout
            if not len(histories):
                break
    return [
        Continuation(tuple(new_tokens), trees.option_logprobs(row.target, logprobs))
        for row, new_tokens, logprobs in zip(rows, tokens, node_logprobs, strict=True)
    ]


def _lay_out(
    model: Model,
    cache: SharedPrefixCache,
    seen: RowsCache,
    grown: growth.Growth,
    last: StepLayout | None,
    layout: StepLayout,
    histories: Histories,
    prompt: Ints,
) -> None:
    """Tell hooks and cache which rows the step computes at each layer."""
    n_layers, n_prompts = model.n_layers, len(cache.lengths)
    grown.gathers = growth.gathers(layout, n_layers, model.device)
    moves: Sequence[Move | None] = [None] * n_layers
    places: Sequence[Places] = [ONE_PROMPT] * n_layers
    if last is not None:
        moves = growth.moves(last, layout, histories.parent, n_layers, model.device)
    of_entry = prompt[histories.row]
    if n_prompts > 1:
        places = growth.places(layout, of_entry, n_prompts, n_layers, model.device)
    if n_prompts > 1 or model.own_attention:
        grown.positions = growth.positions(layout, n_layers, model.device)
        grown.n_embedded = len(layout.rows(-1))
    cache.begin_step(moves, places)
    if layers := seen.layers_with_state:
        seen.move_states(
            growth.parents(last, layout, histories.parent, of_entry, layers, model.device)
        )


def _logits(model: Model, tokens: Ints, positions: Ints, seen: RowsCache) -> torch.Tensor:
    """Run one token a row; `positions` has one for all rows or one for each."""
    logits: torch.Tensor = model.hf(
        input_ids=torch.from_numpy(tokens)[:, None].to(model.device),
        position_ids=torch.from_numpy(positions)[:, None].to(model.device),
        past_key_values=seen,
        use_cache=True,
    ).logits[:, -1]
    return logits


def _most_likely(logits_RV: torch.Tensor, blocks: LogitBlocks | None) -> Ints:
    """Return each row's most likely token, -1 where its logit is NaN or infinite.

    The logits are the rows' maxima where `blocks` tells of which tokens they are.
    """
    index_R = logits_RV.argmax(-1)
    finite_R = logits_RV.gather(-1, index_R[:, None])[:, 0].isfinite()
    tokens_R = blocks.tokens_R if blocks else index_R
    return torch.where(finite_R, tokens_R, -1).cpu().numpy()


def _logprobs(logits_RV: torch.Tensor, rows: Ints, tokens: Ints) -> Floats:
    """Return the log-probability of each token after the row beside it."""
    if not len(rows):
        return np.zeros(0, np.float32)
    distinct, place = np.unique(rows, return_inverse=True)
    on_device = torch.from_numpy(np.stack([rows, tokens])).to(logits_RV.device)
    distinct_R = torch.from_numpy(distinct).to(logits_RV.device)
    total_R = torch.cat(
        [logits_RV[chunk].float().logsumexp(-1) for chunk in torch.split(distinct_R, LOGPROB_ROWS)]
    )
    found = logits_RV[on_device[0], on_device[1]].float().cpu() - total_R.cpu()[place.reshape(-1)]
    return found.numpy()
