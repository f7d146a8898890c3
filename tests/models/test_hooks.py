"""Hooks find hidden states whether a layer is called with them by place or by name."""

import pytest
import torch
from torch import nn

from xtransplant.models.hooks import hooks


class Layer(nn.Module):
    def forward(
        self, hidden_states: torch.Tensor, position_ids: torch.Tensor
    ) -> tuple[torch.Tensor, str]:
        return hidden_states + position_ids, "kept"


@pytest.mark.parametrize("by_name", [True, False])
def test_what_a_hook_returns_takes_the_place(by_name: bool) -> None:
    layer, hidden, positions = Layer(), torch.full((1, 2), 3.0), torch.full((1, 2), 10.0)
    with hooks(
        on_input=[(layer, lambda hidden: 2 * hidden)],
        on_output=[(layer, lambda hidden: hidden + 0.5)],
        on_positions=[(layer, lambda positions: 100 * positions)],
    ):
        if by_name:
            found, rest = layer(hidden_states=hidden, position_ids=positions)
        else:
            found, rest = layer(hidden, positions)
    assert found.tolist() == [[1006.5, 1006.5]] and rest == "kept"
    assert layer(hidden, positions)[0].tolist() == [[13.0, 13.0]]
