"""Rows of one target prompt in an encoder-decoder model.

The encoder reads the prompt. All rows share the encoder's states and the keys and values of
cross-attention: one copy, expanded to the rows. Only rows that write in the encoder
(`encoder_block`) have their own. The decoder's prompt has one or two tokens, so rows have little to
share there: each runs from the first layer with its own cache.

Shape suffixes: R rows, B rows of encoder states (1 or R), T tokens, D model width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from xtransplant.engine.layout import Ints
from xtransplant.engine.memory_budget import prompts_that_fit
from xtransplant.engine.options import Tokens
from xtransplant.engine.rows import Continuation, Row
from xtransplant.engine.sampling import Draws, drawn_tokens
from xtransplant.engine.steps import NonFiniteLogits
from xtransplant.engine.writes import Writes, joining_order, joining_writes
from xtransplant.models.families import Model
from xtransplant.models.hooks import hooks


@torch.inference_mode()
def decode_rows(
    model: Model,
    token_ids: Sequence[int],
    options: Sequence[Tokens],
    rows: Sequence[Row],
    max_new_tokens: int,
) -> list[Continuation]:
    """Continue one target prompt, once for each row: greedily, or with drawn tokens.

    Args:
        model: encoder-decoder model.
        token_ids: prompt for the encoder.
        options: token sequences to compute the log-probability of, as the decoder's answer.
        rows: rows sorted by target layer.
        max_new_tokens: maximum number of tokens generated per row.

    Returns:
        The continuation of each row.

    Raises:
        NonFiniteLogits: a row's logits are NaN or infinite.
    """
    in_encoder = sorted((row for row in rows if row.in_encoder), key=joining_order)
    in_decoder = [row for row in rows if not row.in_encoder]
    groups = [in_decoder] if in_decoder else []
    n_states = prompts_that_fit(
        model.text_config, model.hf.dtype, model.device, n_tokens=len(token_ids)
    )
    groups += [in_encoder[k : k + n_states] for k in range(0, len(in_encoder), n_states)]
    done: dict[Row, Continuation] = {}
    for group in groups:
        encoded = _Encoded(model, token_ids, [] if group is in_decoder else group)
        tokens = _decode(model, encoded, group, max_new_tokens)
        logprobs = [_option_logprobs(model, encoded, group, option) for option in options]
        for k, row in enumerate(group):
            done[row] = Continuation(tokens[k], tuple(of_rows[k] for of_rows in logprobs) or None)
    return [done[row] for row in rows]


class _Encoded:
    """A prompt as the decoder reads it: the encoder's states, and the keys and values from them.

    Args:
        model: encoder-decoder model.
        token_ids: prompt for the encoder.
        rows: rows that write in the encoder; without any, all rows share the same states.
    """

    def __init__(self, model: Model, token_ids: Sequence[int], rows: Sequence[Row]) -> None:
        self._states_BTD = _encode(model, token_ids, rows)
        # Built without the config, so that its layers keep all tokens.
        cache: Any = EncoderDecoderCache(DynamicCache(), DynamicCache())
        _forward(model, self._states_BTD, _prompts(model, self._states_BTD.shape[0]), cache)
        self._layers: list[Any] = cache.cross_attention_cache.layers
        self._keys_values = [(layer.keys, layer.values) for layer in self._layers]

    def of_rows(self, rows: Ints) -> tuple[torch.Tensor, DynamicCache]:
        """Return states and cross-attention cache for some rows; views if all rows share them."""
        cross = DynamicCache()
        for layer, (keys, values) in zip(self._layers, self._keys_values, strict=True):
            layer.keys, layer.values = self._select(keys, rows), self._select(values, rows)
        cross.layers = self._layers
        return self._select(self._states_BTD, rows), cross

    def _select(self, tensor: torch.Tensor, rows: Ints) -> torch.Tensor:
        if self._states_BTD.shape[0] == 1:
            return tensor.expand(len(rows), *tensor.shape[1:])
        return tensor[torch.from_numpy(rows).to(tensor.device)]


def _encode(model: Model, token_ids: Sequence[int], rows: Sequence[Row]) -> torch.Tensor:
    """Return the encoder's states: for each row that writes there, or once for all rows."""
    ids = torch.tensor([token_ids], device=model.device)
    with hooks(on_output=joining_writes(model, rows)):
        states_BTD: torch.Tensor = model.hf.get_encoder()(input_ids=ids).last_hidden_state
    return states_BTD[1:] if rows else states_BTD


def _decode(
    model: Model, encoded: _Encoded, rows: Sequence[Row], max_new_tokens: int
) -> list[Tokens]:
    """Decode; rows that have ended leave the batch."""
    eos = list(model.eos_token_ids)
    own = DynamicCache()
    tokens: list[list[int]] = [[] for _ in rows]
    active = np.arange(len(rows))
    writes = Writes(model, rows)
    new_RT = _prompts(model, len(rows))
    states_RTD, cross = encoded.of_rows(active)
    for step in range(max_new_tokens):
        with hooks(on_output=writes.hooks(active, new_RT.shape[1], again=step > 0)):
            cache = EncoderDecoderCache(own, cross)
            logits_RV = _forward(model, states_RTD, new_RT, cache)[:, -1]
        new_RT = logits_RV.argmax(-1, keepdim=True)
        finite = logits_RV.gather(-1, new_RT).isfinite()[:, 0].cpu().numpy()
        if not finite.all():
            raise NonFiniteLogits(rows[int(active[~finite][0])], model.hf.dtype)
        new_RT = _drawn(logits_RV, new_RT, [rows[int(row)].draws for row in active], step)
        chosen = new_RT[:, 0].cpu().numpy()
        for row, token in zip(active, chosen, strict=True):
            tokens[row].append(int(token))
        going = np.flatnonzero(~np.isin(chosen, eos))
        if not len(going):
            break
        if len(going) < len(active):
            kept = torch.from_numpy(going).to(model.device)
            own.batch_select_indices(kept)
            active, new_RT = active[going], new_RT[kept]
            states_RTD, cross = encoded.of_rows(active)
    return [tuple(new_tokens) for new_tokens in tokens]


def _drawn(
    logits_RV: torch.Tensor, most_likely_R1: torch.Tensor, draws: Sequence[Draws | None], step: int
) -> torch.Tensor:
    """Return the next tokens, [R, 1]: drawn for the rows that sample."""
    drawn = [(row, of_row) for row, of_row in enumerate(draws) if of_row]
    if not drawn:
        return most_likely_R1
    rows = [row for row, _ in drawn]
    tokens = drawn_tokens(logits_RV, rows, [of_row for _, of_row in drawn], step)
    new_R1 = most_likely_R1.clone()
    new_R1[rows, 0] = torch.from_numpy(tokens).to(new_R1.device)
    return new_R1


def _option_logprobs(
    model: Model, encoded: _Encoded, rows: Sequence[Row], option: Tokens
) -> list[float]:
    """Return the log-probability of an option after the decoder's prompt, for each row.

    A row that writes again writes to the option's tokens too, as to those that it generates.
    """
    n_prompt = len(model.decoder_prompt)
    answer_RT = torch.tensor([option], device=model.device).expand(len(rows), -1)
    ids_RT = torch.cat([_prompts(model, len(rows)), answer_RT[:, :-1]], -1)
    states_RTD, cross = encoded.of_rows(np.arange(len(rows)))
    on_output = Writes(model, rows).hooks(n_tokens=ids_RT.shape[1], token=n_prompt - 1)
    with hooks(on_output=on_output):
        logits_RTV = _forward(model, states_RTD, ids_RT, EncoderDecoderCache(DynamicCache(), cross))
    logprobs_RTV = logits_RTV[:, n_prompt - 1 :].float().log_softmax(-1)
    found_R: list[float] = logprobs_RTV.gather(-1, answer_RT[:, :, None]).sum((1, 2)).tolist()
    return found_R


def _prompts(model: Model, n_rows: int) -> torch.Tensor:
    return torch.tensor([model.decoder_prompt], device=model.device).repeat(n_rows, 1)


def _forward(
    model: Model, states_RTD: torch.Tensor, ids_RT: torch.Tensor, cache: EncoderDecoderCache
) -> torch.Tensor:
    logits: torch.Tensor = model.hf(
        encoder_outputs=BaseModelOutput(last_hidden_state=states_RTD),
        decoder_input_ids=ids_RT,
        past_key_values=cache,
        use_cache=True,
    ).logits
    return logits
