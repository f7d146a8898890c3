"""Verdicts by the log-probabilities of the options' markers; the text is not read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from xtransplant.errors import DataError
from xtransplant.types import Instance, Reply, Score


def likeliest_option(reply: Reply, instance: Instance) -> Score:
    """Return the most likely option (the first in a tie); right if it is the gold option.

    If `reply.option_draw` is given, the option is drawn: it is the first one at which the
    cumulative share of the options' probabilities exceeds `reply.option_draw`.
    """
    logprobs = _logprobs(reply, instance)
    place = logprobs.index(max(logprobs))
    if reply.option_draw is not None:
        reached = accumulate(_shares([math.exp(value) for value in _shifted(logprobs)]))
        above = (number for number, share in enumerate(reached) if share > reply.option_draw)
        place = next(above, place)  # rounding may keep the last share below the draw
    answer = instance.options[place].key
    return Score(answer, answer == instance.gold)


def opinion(reply: Reply, instance: Instance) -> Score:
    """Return the similarity of the model's and the respondents' opinions as `value`, 0 to 1.

    The similarity is 1 minus the Jensen-Shannon distance (base 2) between the softmax of the
    options' log-probabilities and the shares of respondents (Durmus et al., arXiv 2306.16388).
    `answer` and `correct` are those of `likeliest_option`.
    """
    verdict = likeliest_option(reply, instance)
    shares = [option.share or 0.0 for option in instance.options]
    model = _shares([math.exp(value) for value in _shifted(_logprobs(reply, instance))])
    return Score(
        verdict.answer, verdict.correct, 1 - jensen_shannon_distance(model, _shares(shares))
    )


def jensen_shannon_distance(p: Sequence[float], q: Sequence[float]) -> float:
    """Return the square root of the Jensen-Shannon divergence, base 2: 0 to 1."""
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    divergence = (_kl_divergence(p, middle) + _kl_divergence(q, middle)) / 2
    return math.sqrt(min(max(divergence, 0.0), 1.0))  # rounding errors may exceed 0..1


def _kl_divergence(p: Sequence[float], q: Sequence[float]) -> float:
    return sum(a * math.log2(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def _shifted(logprobs: Sequence[float]) -> list[float]:
    return [value - max(logprobs) for value in logprobs]


def _shares(amounts: Sequence[float]) -> list[float]:
    return [amount / sum(amounts) for amount in amounts]


def _logprobs(reply: Reply, instance: Instance) -> tuple[float, ...]:
    where = f"instance {instance.id} ({instance.language})"
    found = reply.option_logprobs
    if found is None:
        raise DataError(
            f"{where} has no option log-probabilities, which this scorer needs; choose scorer "
            "paper or option, or run again with another output_root: new runs store them"
        )
    if len(found) != len(instance.options):
        raise DataError(
            f"{where} has {len(found)} option log-probabilities for {len(instance.options)} "
            "options; remove its part and run it again"
        )
    return found
