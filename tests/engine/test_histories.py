"""Entries of a decoding step, worked out by hand."""

import numpy as np

from xtransplant.engine.histories import Histories, OptionPairs
from xtransplant.engine.options import NOWHERE, OptionTrees

OPENING, ONE, TWO, CLOSING, OTHER, EOS = 5, 6, 7, 8, 9, 0
OPTIONS = [(OPENING, ONE, CLOSING), (OPENING, TWO, CLOSING)]


def entries(histories: Histories) -> list[tuple[int, int, bool]]:
    return [
        (int(row), int(token), bool(free))
        for row, token, free in zip(histories.row, histories.token, histories.free, strict=True)
    ]


def advance(histories: Histories, trees: OptionTrees, chosen: list[int]) -> Histories:
    tokens = np.array(chosen)
    return histories.advance(tokens, tokens == EOS, trees, np.array([0, 0, 3]))


def test_an_option_is_followed_beside_the_greedy_tokens_or_with_them() -> None:
    trees = OptionTrees([OPTIONS])
    assert trees.depth == 3 and trees.branches == 2
    start = Histories.at_prompt(np.zeros(3, int), np.array([42]), trees)
    pairs = OptionPairs.of(start, trees)
    assert list(pairs.entry) == [0, 1, 2] and set(pairs.token) == {OPENING}

    # Row 0 opens the bracket by itself, row 1 says something else, row 2 ends.
    first = advance(start, trees, [OPENING, OTHER, EOS])
    assert entries(first) == [
        (0, OPENING, True),
        (1, OTHER, True),
        (1, OPENING, False),
        (2, OPENING, False),
    ]
    assert list(first.history == first.history[0]) == [True, False, True, True]
    pairs = OptionPairs.of(first, trees)
    assert sorted(zip(pairs.entry, pairs.token, strict=True)) == [
        (0, ONE),
        (0, TWO),
        (2, ONE),
        (2, TWO),
        (3, ONE),
        (3, TWO),
    ]

    second = advance(first, trees, [TWO, OTHER, OTHER, OTHER])
    assert sorted(entries(second)) == [
        (0, ONE, False),
        (0, TWO, True),
        (1, ONE, False),
        (1, TWO, False),
        (1, OTHER, True),
        (2, ONE, False),
        (2, TWO, False),
    ]
    assert [int(row) for row in second.row[-2:]] == [2, 2], "sorted by target layer"
    assert set(OptionPairs.of(second, trees).token) == {CLOSING}

    third = advance(second, trees, [OTHER] * 7)
    assert entries(third) == [(0, OTHER, True), (1, OTHER, True)]
    assert set(third.node) == {NOWHERE}


def test_options_of_different_prompts_are_kept_apart() -> None:
    trees = OptionTrees([OPTIONS, [], [(OTHER,)], OPTIONS])
    assert trees.roots[0] == trees.roots[3] and trees.roots[1] == NOWHERE
    logprobs = np.arange(len(trees.children), dtype=float)
    assert trees.option_logprobs(1, logprobs) is None
    assert len(trees.option_logprobs(0, logprobs) or ()) == 2
    assert trees.option_logprobs(2, logprobs) != trees.option_logprobs(0, logprobs)
