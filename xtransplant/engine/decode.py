"""Greedy decoding of many rows of several prompts: which prompts and rows run together.

Rows of one target prompt share its prefix and trunk. Where a prompt has more rows than fit, its
rows run in batches; where it has few, rows of several prompts share a batch.
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
from xtransplant.engine.memory_budget import prompts_that_fit, rows_together
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
    """A target prompt, two tokens or more.

    `options` are token sequences whose log-probabilities after the prompt are wanted; `name` is
    what messages call it.
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
    """Continue target prompts greedily, once for each row.

    Args:
        model: any supported model.
        targets: the prompts.
        rows: in any order; `target` counts `targets`.
        max_new_tokens: tokens generated at most.
        rows_per_batch: rows that decode together; None chooses a number that fits.

    Returns:
        The continuation of each row, in the order of `rows`.

    Raises:
        NumericsError: NaN or infinite numbers; the message names prompt and layer.
        ModelError: out of memory with a single row.
        torch.OutOfMemoryError: out of memory with a single prompt, or in one of several processes.
    """
    shares_prefix = not model.decoder_prompt
    trees = OptionTrees([target.options for target in targets])
    by_block = shares_prefix and runs_by_block(model, logprobs=trees.depth > 0)
    n_rows = rows_together(
        rows_per_batch,
        model.text_config,
        model.hf.dtype,
        max(max_new_tokens, trees.depth * (1 + trees.branches)),
        model.device,
        trees.branches,
        state_bytes(model) if shares_prefix else 0,
        by_block=by_block,
    )
    asked = rows_per_batch is not None
    longest = max(len(target.token_ids) for target in targets)
    n_prompts = prompts_that_fit(model.text_config, model.hf.dtype, longest, model.device)
    if model.own_attention or not shares_prefix:
        n_prompts = 1  # their masks are not made for prefixes of several lengths

    def read_prefixes(group: Sequence[int]) -> Prefixes | None:
        return prefill(model, [targets[t].token_ids[:-1] for t in group]) if shares_prefix else None

    of_target: list[list[int]] = [[] for _ in targets]
    for number, row in enumerate(rows):
        of_target[row.target].append(number)
    out: dict[int, Continuation] = {}
    groups = _groups(targets, [len(numbers) for numbers in of_target], n_rows, n_prompts)
    for group, prefixes in chain.from_iterable(in_halves(read_prefixes, g) for g in groups):
        members = [targets[target] for target in group]
        local = {
            number: replace(rows[number], target=place)
            for place, target in enumerate(group)
            for number in of_target[target]
        }
        pending = sorted(local, key=lambda r: (rows[r].layer, rows[r].module or ""))
        while pending:
            layers = np.array([rows[r].layer for r in pending])
            batch = pending[: _batch_size(layers, model.n_layers, n_rows, alike=asked)]
            try:
                done = _decode_batch(
                    model, members, prefixes, [local[r] for r in batch], max_new_tokens, by_block
                )
            except torch.OutOfMemoryError:
                if n_processes() > 1:  # the others are in the middle of the batch
                    raise
                n_rows = _halved(n_rows, len(batch))
                continue
            out.update(zip(batch, done, strict=True))
            pending = pending[len(batch) :]
        del prefixes  # those of a group are not kept while the next are read
    return [out[number] for number in range(len(rows))]


def _groups(
    targets: Sequence[Target], counts: Sequence[int], n_rows: int, n_prompts: int
) -> Iterator[list[int]]:
    """Group prompts, which have so many rows each: alone where their rows fill a batch."""
    group: list[int] = []
    # By length, because prefixes of one batch are padded to the longest.
    for target in sorted(range(len(targets)), key=lambda t: len(targets[t].token_ids)):
        together = sum(counts[t] for t in group) + counts[target]
        if group and (together > n_rows or len(group) >= n_prompts):
            yield group
            group = []
        group.append(target)
    yield group


def _decode_batch(
    model: Model,
    targets: Sequence[Target],
    prefixes: Prefixes | None,
    rows: Sequence[Row],
    max_new_tokens: int,
    by_block: bool,
) -> list[Continuation]:
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
            model, cache, rows, last_tokens, trees, max_new_tokens, by_block=by_block
        )
    except NonFiniteLogits as error:
        target = targets[error.row.target]
        # If the prompt itself is at fault, this tells.
        capture(model, [target.token_ids], [ModuleType.BLOCK], model.n_layers, [target.name])
        raise NumericsError(f"{target.name}: {error}") from error


def _batch_size(layers: Ints, n_layers: int, n_rows: int, *, alike: bool) -> int:
    """Return how many of the pending rows decode next, so that all batches are about as large.

    A row keeps keys and values of its own above its target layer only. A batch holds as much memory
    as `n_rows` average rows, or, where rows count alike, so many rows at most.

    Args:
        layers: target layers of the rows that are left, ascending.
        n_layers: N.
        n_rows: rows that fit.
        alike: whether every row counts the same.
    """
    average = 1 if alike else n_layers + 1
    weights = np.ones(len(layers), np.int64) if alike else 2 * (n_layers + 1 - layers)
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
