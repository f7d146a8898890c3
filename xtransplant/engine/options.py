"""Token sequences of answer options as trees, and the log-probabilities of the options.

Options that start with the same tokens share a branch, so each beginning is computed once. Plain
numpy, without torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from xtransplant.engine.layout import Ints

NOWHERE = -1
"""The node of a history with which no option begins."""

Tokens = tuple[int, ...]


class OptionTrees:
    """One tree for each distinct list of options.

    Attributes:
        roots: root of each prompt; `NOWHERE` for a prompt without options.
        children: children of each node, by token.
        depth: number of tokens of the longest option.
        branches: maximum number of option beginnings that a row follows in one step, besides its
            own history.
    """

    def __init__(self, options: Sequence[Sequence[Tokens]]) -> None:
        self.children: list[dict[int, int]] = []
        self._leaves: dict[tuple[Tokens, ...], tuple[int, ...]] = {}
        roots: dict[tuple[Tokens, ...], int] = {}
        for option_list in dict.fromkeys(map(tuple, options)):
            roots[option_list] = self._node() if option_list else NOWHERE
            self._leaves[option_list] = tuple(
                self._grow(roots[option_list], tokens) for tokens in option_list
            )
        self._lists = [tuple(option_list) for option_list in options]
        self.roots: Ints = np.array([roots[option_list] for option_list in self._lists], np.int64)
        self.depth = max((len(t) for option_list in roots for t in option_list), default=0)
        self.branches = max((_branches(option_list) for option_list in roots), default=0)

    def step(self, node: int, token: int) -> int:
        """Return the node that a token leads to; `NOWHERE` if no option continues from it."""
        child = self.children[node].get(token, NOWHERE) if node != NOWHERE else NOWHERE
        return child if child != NOWHERE and self.children[child] else NOWHERE

    def option_logprobs(
        self, prompt: int, node_logprobs: npt.NDArray[np.float64]
    ) -> tuple[float, ...] | None:
        """Return each option's log-probability, given those of all nodes; None without options."""
        leaves = self._leaves[self._lists[prompt]]
        return tuple(float(node_logprobs[leaf]) for leaf in leaves) or None

    def _node(self) -> int:
        self.children.append({})
        return len(self.children) - 1

    def _grow(self, node: int, tokens: Tokens) -> int:
        for token in tokens:
            if token not in self.children[node]:
                self.children[node][token] = self._node()
            node = self.children[node][token]
        return node


def _branches(options: Sequence[Tokens]) -> int:
    depth = max(map(len, options), default=0)
    return max((len({t[:k] for t in options if len(t) > k}) for k in range(1, depth)), default=0)
