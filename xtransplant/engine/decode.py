"""Greedy decoding of all rows of a study's part: which prompts and rows run together.

Rows of one target prompt share its prefix and trunk. Where a prompt has more rows than fit, its
rows run in batches; where it has few, rows of several prompts share a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from xtransplant.engine.capture import capture
from xtransplant.engine.cost import prompts_that_fit, rows_together
from xtransplant.engine.encoder_decoder import decode_rows
from xtransplant.engine.model_cache import prefill, state_bytes
from xtransplant.engine.options import OptionTrees, Tokens
from xtransplant.engine.prefix_cache import Prefix, SharedPrefixCache
from xtransplant.engine.steps import Continuation, NonFiniteLogits, Row, decode_batch
from xtransplant.errors import ModelError, NumericsError
from xtransplant.models.families import Model
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
    """
    shares_prefix = not model.decoder_prompt
    n_rows = rows_together(
        rows_per_batch,
        model.text_config,
        model.hf.dtype,
        max_new_tokens,
        model.device,
        OptionTrees([target.options for target in targets]).branches,
        state_bytes(model) if shares_prefix else 0,
    )
    longest = max(len(target.token_ids) for target in targets)
    n_prompts = prompts_that_fit(model.text_config, model.hf.dtype, longest, model.device)
    if model.own_attention or not shares_prefix:
        n_prompts = 1  # their masks are not made for prefixes of several lengths
    of_target: list[list[int]] = [[] for _ in targets]
    for number, row in enumerate(rows):
        of_target[row.target].append(number)
    out: dict[int, Continuation] = {}
    for group in _groups(targets, [len(numbers) for numbers in of_target], n_rows, n_prompts):
        members = [targets[target] for target in group]
        prefixes = [prefill(model, member.token_ids[:-1]) for member in members if shares_prefix]
        local = {
            number: replace(rows[number], target=place)
            for place, target in enumerate(group)
            for number in of_target[target]
        }
        pending = sorted(local, key=lambda r: (rows[r].layer, rows[r].module or ""))
        while pending:
            batch = pending[: _even_share(len(pending), n_rows)]
            try:
                done = _decode_batch(
                    model, members, prefixes, [local[r] for r in batch], max_new_tokens
                )
            except torch.OutOfMemoryError:
                n_rows = _halved(n_rows, len(batch))
                continue
            out.update(zip(batch, done, strict=True))
            pending = pending[len(batch) :]
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
    prefixes: Sequence[Prefix],
    rows: Sequence[Row],
    max_new_tokens: int,
) -> list[Continuation]:
    try:
        if model.decoder_prompt:
            (only,) = targets
            return decode_rows(model, only.token_ids, only.options, rows, max_new_tokens)
        trees = OptionTrees([target.options for target in targets])
        cache = SharedPrefixCache(prefixes, max(max_new_tokens, trees.depth))
        last_tokens = [target.token_ids[-1] for target in targets]
        return decode_batch(model, cache, rows, last_tokens, trees, max_new_tokens)
    except NonFiniteLogits as error:
        target = targets[error.row.target]
        try:
            capture(model, target.token_ids, [ModuleType.BLOCK])  # is the prompt at fault?
        except NumericsError as cause:
            raise NumericsError(f"{target.name}: {cause}") from error
        raise NumericsError(f"{target.name}: {error}") from error


def _even_share(n_pending: int, n_rows: int) -> int:
    """Return how many rows to take so that all batches are about equally large."""
    n_batches = -(-n_pending // n_rows)
    return -(-n_pending // n_batches)


def _halved(n_rows: int, n_tried: int) -> int:
    if n_tried == 1:
        raise ModelError(
            "out of memory with a single row; use a smaller dtype, a shorter prompt or a device "
            "with more memory"
        )
    torch.cuda.empty_cache()
    return min(n_rows, n_tried) // 2
