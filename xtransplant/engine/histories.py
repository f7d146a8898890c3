"""The entries of a decoding step, as arrays: rows with the tokens that follow their prompt.

A row decodes greedily. It also follows the beginnings of its answer options, to compute their
log-probabilities. If both have the same tokens, they are one entry. Plain numpy, without torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xtransplant.engine.layout import Ints
from xtransplant.engine.options import NOWHERE, OptionTrees

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Histories:
    """The entries of a step, sorted by the layer at which they leave the trunk.

    Attributes:
        row: index of each entry's row.
        parent: entry of the previous step that it continues.
        token: newest token.
        history: number that identifies the tokens so far, prompt included; entries with equal
            tokens have equal numbers.
        free: whether the entry is the row's greedy continuation.
        node: node in the option trees; `NOWHERE` if no option begins with the entry's tokens.
    """

    row: Ints
    parent: Ints
    token: Ints
    history: Ints
    free: Bools
    node: Ints

    @classmethod
    def at_prompt(cls, prompt: Ints, last_token: Ints, trees: OptionTrees) -> Histories:
        """Return the entries of the first step: the last token of each row's prompt.

        Args:
            prompt: index of each row's prompt.
            last_token: last token of each prompt.
            trees: options of the prompts.
        """
        rows = np.arange(len(prompt))
        free = np.ones(len(prompt), bool)
        return cls(rows, rows, last_token[prompt], prompt, free, trees.roots[prompt])

    def __len__(self) -> int:
        return len(self.row)

    def advance(self, chosen: Ints, ends: Bools, trees: OptionTrees, leaves: Ints) -> Histories:
        """Return the entries of the next step.

        A free entry continues with its greedy token. The beginning of an option continues with each
        token that follows it in the tree.

        Args:
            chosen: greedy token of each entry.
            ends: whether an entry's greedy continuation ends with that token.
            trees: options of the prompts.
            leaves: layer at which each row leaves the trunk.
        """
        goes_on = self.free & ~ends
        free = np.flatnonzero(goes_on)
        following = np.full(len(free), NOWHERE)
        for place in np.flatnonzero(self.node[free] != NOWHERE):
            entry = free[place]
            following[place] = trees.step(int(self.node[entry]), int(chosen[entry]))
        forced = np.array(
            [
                (entry, token, child)
                for entry in np.flatnonzero(self.node != NOWHERE)
                for token, child in trees.children[self.node[entry]].items()
                if trees.children[child] and not (goes_on[entry] and chosen[entry] == token)
            ],
            np.int64,
        ).reshape(-1, 3)
        parent = np.concatenate([free, forced[:, 0]])
        token = np.concatenate([chosen[free], forced[:, 1]])
        node = np.concatenate([following, forced[:, 2]])
        order = np.argsort(leaves[self.row[parent]], kind="stable")
        parent, token, node = parent[order], token[order], node[order]
        history = _number(self.history[parent], token)
        return Histories(self.row[parent], parent, token, history, order < len(free), node)


@dataclass(frozen=True)
class OptionPairs:
    """Tokens of options whose log-probabilities a step yields.

    Attributes:
        entry: entry that the token follows.
        node: node of the entry.
        token: token of the option.
        child: node that the token leads to.
    """

    entry: Ints
    node: Ints
    token: Ints
    child: Ints

    def __len__(self) -> int:
        return len(self.entry)

    @classmethod
    def of(cls, histories: Histories, trees: OptionTrees) -> OptionPairs:
        """Return the next tokens of the options that each entry begins."""
        pairs = [
            (entry, histories.node[entry], token, child)
            for entry in np.flatnonzero(histories.node != NOWHERE)
            for token, child in trees.children[histories.node[entry]].items()
        ]
        return cls(*np.array(pairs, np.int64).reshape(-1, 4).T)


def _number(history: Ints, token: Ints) -> Ints:
    """Return new numbers for histories that are extended by a token each."""
    if not len(token):
        return token
    return np.unique(history * (token.max() + 1) + token, return_inverse=True)[1]
