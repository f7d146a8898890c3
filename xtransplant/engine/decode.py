"""Decoding of many rows of several prompts, in groups and batches.

A row is one continuation of a target prompt. Rows of one prompt share the prompt's prefix and the
layers that they compute alike (the trunk, see `layout`). If a prompt has more rows than fit into
memory, they run in several batches. If prompts have few rows, several prompts share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch

from xtransplant.engine.capture import capture
from xtransplant.engine.encoder_decoder import decode_rows
from xtransplant.engine.layout import Ints
from xtransplant.engine.memory_budget import prompts_that_fit, rows_that_fit
from xtransplant.engine.model_cache import prefill, state_bytes
from xtransplant.engine.options import OptionTrees, Tokens
from xtransplant.engine.passes import in_halves
from xtransplant.engine.prefix_cache import Prefixes, SharedPrefixCache
from xtransplant.engine.rows import Continuation, Row
from xtransplant.engine.steps import NonFiniteLogits, decode_batch
from xtransplant.engine.unembedding import runs_by_block
from xtransplant.errors import ModelError, NumericsError
from xtransplant.models.families import Model
from xtransplant.models.parallel import n_processes
from xtransplant.types import ModuleType


@dataclass(frozen=True, slots=True)
class Target:
    """A target prompt.

    Attributes:
        token_ids: token ids of the prompt, at least two.
        options: token sequences to compute the log-probability of, after the prompt.
        name: name of the prompt in messages.
    """

    token_ids: Tokens
    options: tuple[Tokens, ...] = ()
    name: str = "target prompt"


@torch.inference_mode()
def decode(
    model: Model,
    targets: Sequence[Target],
    rows: Sequence[Row],
    max_new_tokens: int,
    rows_per_batch: int | None = None,
) -> list[Continuation]:
    """Continue target prompts, once for each row: greedily, or with drawn tokens.

    Args:
        model: any supported model.
        targets: prompts to continue.
        rows: rows in any order; a row's `target` is the index of its prompt.
        max_new_tokens: maximum number of tokens generated per row.
        rows_per_batch: number of rows that are decoded together; None to choose one that fits.

    Returns:
        The continuation of each row, in the order of `rows`.

    Raises:
        NumericsError: a number is NaN or infinite; the message names prompt and layer.
        ModelError: memory runs out with a single row.
        torch.OutOfMemoryError: memory runs out with a single prompt, or in one of several
            processes that share the model.
    """
    samples = any(row.draws for row in rows)
    decoder = _Decoder(model, targets, max_new_tokens, rows_per_batch, samples=samples)
    of_target: list[list[int]] = [[] for _ in targets]
    for number, row in enumerate(rows):
        of_target[row.target].append(number)

    def read_prefixes(group: Sequence[int]) -> Prefixes | None:
        if model.decoder_prompt:
            return None
        return prefill(model, [targets[target].token_ids[:-1] for target in group])

    n_rows = [len(numbers) for numbers in of_target]
    groups = _groups(targets, n_rows, decoder.n_rows, decoder.n_prompts)
    out: dict[int, Continuation] = {}
    for group, prefixes in chain.from_iterable(in_halves(read_prefixes, g) for g in groups):
        numbers = sorted(
            (number for target in group for number in of_target[target]),
            key=lambda number: (rows[number].layer, rows[number].module or ""),
        )
        place = {target: number for number, target in enumerate(group)}
        in_group = [replace(rows[number], target=place[rows[number].target]) for number in numbers]
        members = [targets[target] for target in group]
        out.update(zip(numbers, decoder.run(members, prefixes, in_group), strict=True))
        del prefixes  # free them before the next group's prefixes are read
    return [out[number] for number in range(len(rows))]


class _Decoder:
    """Decodes groups of prompts in batches of rows that fit into memory.

    Arguments are as for `decode`; `samples` tells whether rows draw tokens, which takes all logits.

    Attributes:
        n_rows: number of rows that fit into a batch; halved when memory runs out.
        n_prompts: number of prompts that fit into a group.
    """

    def __init__(
        self,
        model: Model,
        targets: Sequence[Target],
        max_new_tokens: int,
        rows_per_batch: int | None,
        *,
        samples: bool,
    ) -> None:
        self._model, self._max_new_tokens = model, max_new_tokens
        self._count_alike = rows_per_batch is not None
        trees = OptionTrees([target.options for target in targets])
        shares_prefix = not model.decoder_prompt
        self._by_block = (
            shares_prefix and not samples and runs_by_block(model, logprobs=trees.depth > 0)
        )
        where = model.text_config, model.hf.dtype, model.device
        self.n_rows = rows_per_batch or rows_that_fit(
            *where,
            n_tokens=max(max_new_tokens, trees.depth * (1 + trees.branches)),
            n_branches=trees.branches,
            state_bytes=state_bytes(model) if shares_prefix else 0,
            by_block=self._by_block,
        )
        longest = max(len(target.token_ids) for target in targets)
        self.n_prompts = prompts_that_fit(*where, n_tokens=longest)
        if model.own_attention or not shares_prefix:
            self.n_prompts = 1  # such models cannot mask prefixes of different lengths

    def run(
        self, targets: Sequence[Target], prefixes: Prefixes | None, rows: Sequence[Row]
    ) -> list[Continuation]:
        """Continue a group of prompts, in batches.

        Args:
            targets: prompts of the group.
            prefixes: prefixes of the prompts; None in an encoder-decoder model.
            rows: rows sorted by target layer; `target` is the index of a prompt in the group.
        """
        done: list[Continuation] = []
        while len(done) < len(rows):
            pending = rows[len(done) :]
            leaves = np.array([row.leaves for row in pending])
            n_layers = self._model.n_layers
            n_rows = _batch_size(leaves, n_layers, self.n_rows, alike=self._count_alike)
            batch = pending[:n_rows]
            try:
                done += self._run_batch(targets, prefixes, batch)
            except torch.OutOfMemoryError:
                if n_processes() > 1:  # the other processes are in the middle of the batch
                    raise
                self.n_rows = _halved(self.n_rows, len(batch))
        return done

    def _run_batch(
        self, targets: Sequence[Target], prefixes: Prefixes | None, rows: Sequence[Row]
    ) -> list[Continuation]:
        model, max_new_tokens = self._model, self._max_new_tokens
        try:
            if prefixes is None:
                (only,) = targets
                return decode_rows(model, only.token_ids, only.options, rows, max_new_tokens)
            trees = OptionTrees([target.options for target in targets])
            n_tokens = max(max_new_tokens, trees.depth)
            first_tokens = trees.depth if trees.branches else n_tokens
            cache = SharedPrefixCache(prefixes, n_tokens, first_tokens)
            last_tokens = [target.token_ids[-1] for target in targets]
            return decode_batch(
                model, cache, rows, last_tokens, trees, max_new_tokens, by_block=self._by_block
            )
        except NonFiniteLogits as error:
            target = targets[error.row.target]
            # This raises its own error if the prompt fails even without a write.
            capture(model, [target.token_ids], [ModuleType.BLOCK], model.n_layers, [target.name])
            raise NumericsError(f"{target.name}: {error}") from error


def _groups(
    targets: Sequence[Target], counts: Sequence[int], n_rows: int, n_prompts: int
) -> Iterator[list[int]]:
    """Group prompts so that a group's rows fit into a batch; a prompt with more rows is alone.

    Args:
        targets: prompts to group.
        counts: number of rows of each prompt.
        n_rows: maximum number of rows of a group of several prompts.
        n_prompts: maximum number of prompts of a group.

    Yields:
        Indices of the prompts of a group.
    """
    group: list[int] = []
    # Sorted by length, because prefixes of one group are padded to the longest.
    for target in sorted(range(len(targets)), key=lambda t: len(targets[t].token_ids)):
        together = sum(counts[t] for t in group) + counts[target]
        if group and (together > n_rows or len(group) >= n_prompts):
            yield group
            group = []
        group.append(target)
    yield group


def _batch_size(leaves: Ints, n_layers: int, n_rows: int, *, alike: bool) -> int:
    """Return how many of the pending rows decode next, so that batches are about equally large.

    A row keeps keys and values of its own only from where it leaves the trunk, so a row with a deep
    target layer takes less memory. A batch takes at most the memory of `n_rows` average rows.

    Args:
        leaves: layers at which the pending rows leave the trunk, about ascending.
        n_layers: N.
        n_rows: number of average rows that fit.
        alike: whether every row counts as an average one, so that a batch has at most `n_rows`
            rows.
    """
    average = 1 if alike else n_layers + 1
    weights = np.ones(len(leaves), np.int64) if alike else 2 * (n_layers + 2 - leaves)
    weights = weights.clip(1)  # an encoder may have more layers than the decoder
    n_batches = np.ceil(weights.sum() / (n_rows * average))
    return int(np.searchsorted(np.cumsum(weights), weights.sum() / n_batches)) + 1


def _halved(n_rows: int, n_tried: int) -> int:
    if n_tried == 1:
        raise ModelError(
            "out of memory with a single row; use a smaller dtype, a shorter prompt or a device "
            "with more memory"
        )
    return max(1, min(n_rows, n_tried) // 2)
