"""Verdicts by option log-probabilities, against hand calculations and scipy."""

import math
from dataclasses import replace

import numpy as np
import pytest

from xtransplant.errors import DataError
from xtransplant.scoring.logprobs import jensen_shannon_distance
from xtransplant.scoring.registry import SCORERS
from xtransplant.types import Instance, Option, Reply, Score


def asked(*shares: float | None, gold: str = "A") -> Instance:
    options = tuple(Option(f"({k})", share=s) for k, s in zip("ABCDEF", shares, strict=False))
    return Instance("q7", "de", "de", "en", "source", "target", gold, options)


def score(name: str, logprobs: tuple[float, ...] | None, instance: Instance) -> Score:
    return SCORERS[name].rule(Reply("(C)", "eos", logprobs), instance)


@pytest.mark.parametrize(
    ("logprobs", "answer"),
    [
        ((-1.0, -2.0, -3.0), "A"),
        ((-3.0, -2.0, -2.5), "B"),
        ((-300.0, -200.0, -20.0), "C"),
        ((-2.0, -1.0, -1.0), "B"),  # the first of the likeliest
    ],
)
def test_logprob_takes_the_likeliest_option_whatever_the_text(logprobs, answer):
    for gold in "ABC":
        verdict = score("logprob", logprobs, asked(None, None, None, gold=gold))
        assert verdict == Score(answer, answer == gold)


@pytest.mark.parametrize(
    ("draw", "answer"),
    [(0.0, "A"), (0.1999, "A"), (0.2001, "B"), (0.6999, "B"), (0.7001, "C"), (1 - 2**-52, "C")],
)
def test_logprob_draws_an_option_by_its_share_of_the_probability(draw, answer):
    """Shares 0.2, 0.5 and 0.3, of options that hold a tenth of the probability together."""
    logprobs = tuple(math.log(share / 10) for share in (0.2, 0.5, 0.3))
    for name in ("logprob", "opinion"):
        instance = asked(0.5, 0.25, 0.25, gold="B")
        verdict = SCORERS[name].rule(Reply("(C)", "eos", logprobs, draw), instance)
        assert (verdict.answer, verdict.correct) == (answer, answer == "B")
        untouched = SCORERS[name].rule(Reply("(C)", "eos", logprobs), instance)
        assert untouched.answer == "B" and verdict.value == untouched.value


def test_without_log_probabilities_one_line_says_what_to_do():
    for name in ("logprob", "opinion"):
        with pytest.raises(DataError) as error:
            score(name, None, asked(0.5, 0.5))
        assert str(error.value) == (
            "instance q7 (de) has no option log-probabilities, which this scorer needs; choose "
            "scorer paper or option, or run again with another output_root: new runs store them"
        )


def test_log_probabilities_of_other_options_are_refused():
    with pytest.raises(DataError, match="has 3 option log-probabilities for 2 options"):
        score("logprob", (-1.0, -2.0, -3.0), asked(0.5, 0.5))


@pytest.mark.parametrize(
    ("p", "q", "distance"),
    [
        ((1, 0), (0, 1), 1.0),
        ((0.3, 0.7), (0.3, 0.7), 0.0),
        # KL((.5, .5) | (.75, .25)) = .5 log2(2/3) + .5 = .207519; KL((1, 0) | …) = log2(4/3)
        # = .415037; their mean is .311278, its square root .557923.
        ((0.5, 0.5), (1, 0), 0.557923),
        ((1, 0), (0.5, 0.5), 0.557923),
    ],
)
def test_jensen_shannon_distance_by_hand(p, q, distance):
    assert jensen_shannon_distance(p, q) == pytest.approx(distance, abs=1e-6)


def test_jensen_shannon_distance_is_scipys():
    scipy_distance = pytest.importorskip("scipy.spatial.distance").jensenshannon
    generator = np.random.default_rng(0)
    for n in (2, 3, 13):
        p, q = generator.dirichlet(np.full(n, 0.5), size=2)
        expected = float(scipy_distance(p, q, base=2))
        assert jensen_shannon_distance(p.tolist(), q.tolist()) == pytest.approx(expected, abs=1e-9)


def test_opinion_is_one_minus_the_distance_of_the_softmax():
    # Weights 1 : 1 beside a people who all chose B.
    verdict = score("opinion", (-7.5, -7.5), asked(0.0, 1.0, gold="B"))
    assert (verdict.answer, verdict.correct) == ("A", False)
    assert verdict.value == pytest.approx(1 - 0.557923, abs=1e-6)
    # Weights 1 : 3 beside a people of 25 % and 75 %, in shares that do not add up to 1.
    logprobs = (-900.0, -900.0 + math.log(3))  # exp would be 0
    verdict = score("opinion", logprobs, asked(0.2, 0.6, gold="B"))
    assert (verdict.answer, verdict.correct) == ("B", True)
    assert verdict.value == pytest.approx(1.0, abs=1e-6)


def test_opinion_of_opposite_views_is_nothing():
    verdict = score("opinion", (0.0, -1000.0), asked(0.0, 1.0))
    assert verdict == replace(verdict, answer="A", correct=True)
    assert verdict.value == pytest.approx(0.0)
