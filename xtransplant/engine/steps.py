"""The loop over new tokens: a batch of rows, each a target prompt with at most one write a pass.

Shape suffixes: R rows, W rows that are written to, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

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
from xtransplant.engine.sampling import drawn_tokens
from xtransplant.engine.unembedding import LogitBlocks, logit_blocks, screen_of
from xtransplant.engine.writes import Writes
from xtransplant.errors import NumericsError
from xtransplant.models.dtypes import on_overflow
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks

Floats = npt.NDArray[np.float32]

LOGPROB_ROWS = 64
"""Number of rows normalised at once; it limits the size of the float32 copy of their logits."""


class NonFiniteLogits(NumericsError):
    """The logits of `row` are NaN or infinite."""

    def __init__(self, row: Row, dtype: torch.dtype) -> None:
        super().__init__(
            f"NaN or infinite logits after a write at target layer {row.layer}; "
            f"{on_overflow(dtype)}"
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
    """Decode rows together; `layout` determines which rows are computed at which layer.

    Args:
        model: any supported model.
        cache: prefixes of the batch's prompts, without suffixes.
        rows: rows sorted by target layer; `target` is the index of a prompt in the cache.
        last_tokens: last token of each prompt, which is not in its prefix.
        trees: answer options of each prompt.
        max_new_tokens: maximum number of tokens generated per row.
        by_block: whether to compute the unembedding in blocks, without a table of all logits; see
            `unembedding`.

    Raises:
        NonFiniteLogits: a row's logits are NaN or infinite.
    """
    batch = _Batch(model, cache, rows, trees, by_block=by_block)
    histories = Histories.at_prompt(batch.prompt, np.array(last_tokens), trees)
    with batch.hooks_of_all_steps(), shared_prefix_attention(model, cache):
        for step in range(max(max_new_tokens, trees.depth)):
            chosen = batch.step(step, histories)
            ends = np.isin(chosen, list(model.eos_token_ids)) | (step + 1 >= max_new_tokens)
            histories = histories.advance(chosen, ends, trees, batch.leaves)
            if not len(histories):
                break
    return batch.continuations()


class _Batch:
    """Rows that are decoded together, and their tokens and log-probabilities so far.

    Arguments are as for `decode_batch`.

    Attributes:
        leaves: layer at which each row leaves the trunk, in passes after the first.
        prompt: number of each row's prompt.
    """

    def __init__(
        self,
        model: Model,
        cache: SharedPrefixCache,
        rows: Sequence[Row],
        trees: OptionTrees,
        *,
        by_block: bool,
    ) -> None:
        self.leaves = np.array([row.leaves for row in rows])
        self.prompt = np.array([row.target for row in rows])
        self._model, self._cache, self._rows, self._trees = model, cache, rows, trees
        self._writes = Writes(model, rows)
        self._target_layer = np.array([row.layer for row in rows])
        self._rows_cache = RowsCache(model, cache)
        self._samples = any(row.draws for row in rows)
        self._growth = growth.Growth()
        self._previous: StepLayout | None = None
        self._tokens: list[list[int]] = [[] for _ in rows]
        self._node_logprobs = np.zeros((len(rows), len(trees.children)))
        self._by_block = by_block
        self._screen = screen_of(model) if by_block else None

    def hooks_of_all_steps(self) -> AbstractContextManager[None]:
        """Return hooks with which rows join the batch at their layer."""
        layers = self._model.layers
        positions_differ = len(self._cache.lengths) > 1 or self._model.own_attention
        return hooks(
            on_input=self._growth.on_input(layers),
            on_positions=self._growth.on_positions(layers) if positions_differ else (),
        )

    def step(self, step: int, histories: Histories) -> Ints:
        """Compute one token; return the next token of each entry.

        Raises:
            NonFiniteLogits: a row's logits are NaN or infinite.
        """
        n_layers = self._model.n_layers
        # In the first pass every row writes, and leaves the trunk there.
        leaves = (self.leaves if step else self._target_layer)[histories.row]
        layout = StepLayout.of(leaves, histories.history, n_layers)
        self._lay_out(layout, histories)
        pairs = OptionPairs.of(histories, self._trees)
        slots = layout.slots(n_layers - 1, np.arange(len(histories)))
        chosen, found = self._run(step, layout.rows(-1), histories, slots, pairs)
        if (chosen < 0).any():
            culprit = self._rows[int(histories.row[chosen < 0][0])]
            raise NonFiniteLogits(culprit, self._model.hf.dtype)
        row = histories.row[pairs.entry]
        self._node_logprobs[row, pairs.child] = self._node_logprobs[row, pairs.node] + found
        for entry in np.flatnonzero(histories.free):
            self._tokens[histories.row[entry]].append(int(chosen[entry]))
        return chosen

    def continuations(self) -> list[Continuation]:
        """Return the continuation of each row."""
        return [
            Continuation(tuple(tokens), self._trees.option_logprobs(row.target, logprobs))
            for row, tokens, logprobs in zip(
                self._rows, self._tokens, self._node_logprobs, strict=True
            )
        ]

    def _lay_out(self, layout: StepLayout, histories: Histories) -> None:
        """Prepare hooks and caches for the rows that the step computes at each layer."""
        model, n_prompts, previous = self._model, len(self._cache.lengths), self._previous
        n_layers, device = model.n_layers, model.device
        self._growth.gathers = growth.gathers(layout, n_layers, device)
        moves: Sequence[Move | None] = [None] * n_layers
        places: Sequence[Places] = [ONE_PROMPT] * n_layers
        if previous is not None:
            moves = growth.moves(previous, layout, histories.parent, n_layers, device)
        prompt = self.prompt[histories.row]
        if n_prompts > 1:
            places = growth.places(layout, prompt, n_prompts, n_layers, device)
        if n_prompts > 1 or model.own_attention:
            self._growth.positions = growth.positions(layout, n_layers, device)
            self._growth.n_embedded = len(layout.rows(-1))
        self._cache.begin_step(moves, places)
        if layers := self._rows_cache.layers_with_state:
            parents = growth.parents(previous, layout, histories.parent, prompt, layers, device)
            self._rows_cache.move_states(parents)
        self._previous = layout

    def _run(
        self, step: int, embedded: Ints, histories: Histories, slots: Ints, pairs: OptionPairs
    ) -> tuple[Ints, Floats]:
        """Run the model on the newest token of each of the entries `embedded`.

        Args:
            step: number of the step; all rows write in step 0, some in the others too.
            embedded: entries whose tokens are embedded.
            histories: entries of the step.
            slots: for each entry, its row of the last layer.
            pairs: pairs of an entry and a token of an option to compute the log-probability of.

        Returns:
            The next token of each entry, drawn or most likely, -1 if the largest logit is NaN or
            infinite; and the wanted log-probabilities.
        """
        model, wanted = self._model, (slots[pairs.entry], pairs.token)
        positions = self._cache.positions(self.prompt[histories.row[embedded]])
        # In step 0 the rows still differ too much for screening to save products.
        screen = self._screen if step > 0 else None
        with (
            hooks(on_output=self._writes.hooks(histories.row, again=step > 0)),
            logit_blocks(model, *wanted, screen) if self._by_block else nullcontext() as blocks,
        ):
            logits_RV = _logits(model, histories.token[embedded], positions, self._rows_cache)
        found = blocks.logprobs_Q.numpy() if blocks else _logprobs(logits_RV, *wanted)
        chosen = _most_likely(logits_RV, blocks)[slots]
        if self._samples:
            self._draw(step, histories, slots, logits_RV, chosen)
        return chosen, found

    def _draw(
        self, step: int, histories: Histories, slots: Ints, logits_RV: torch.Tensor, chosen: Ints
    ) -> None:
        """Put drawn tokens in the place of the most likely ones, for the rows that sample."""
        of_entry = [self._rows[row].draws for row in histories.row]
        drawn = [
            (entry, draws)
            for entry, draws in enumerate(of_entry)
            if draws and histories.free[entry] and chosen[entry] >= 0
        ]
        if drawn:
            entries = [entry for entry, _ in drawn]
            draws = [each for _, each in drawn]
            chosen[entries] = drawn_tokens(logits_RV, slots[entries].tolist(), draws, step)


def _logits(model: Model, tokens: Ints, positions: Ints, cache: RowsCache) -> torch.Tensor:
    """Run one token per row; `positions` has one position for all rows or one for each."""
    logits: torch.Tensor = model.hf(
        input_ids=torch.from_numpy(tokens)[:, None].to(model.device),
        position_ids=torch.from_numpy(positions)[:, None].to(model.device),
        past_key_values=cache,
        use_cache=True,
    ).logits[:, -1]
    return logits


def _most_likely(logits_RV: torch.Tensor, blocks: LogitBlocks | None) -> Ints:
    """Return each row's most likely token; -1 if its logit is NaN or infinite.

    With `blocks`, `logits_RV` holds only each row's largest logit, whose token is in
    `blocks.tokens_R`.
    """
    index_R = logits_RV.argmax(-1)
    finite_R = logits_RV.gather(-1, index_R[:, None])[:, 0].isfinite()
    tokens_R = blocks.tokens_R if blocks else index_R
    return torch.where(finite_R, tokens_R, -1).cpu().numpy()


def _logprobs(logits_RV: torch.Tensor, rows: Ints, tokens: Ints) -> Floats:
    """Return the log-probability of tokens[k] in rows[k], for each k."""
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
