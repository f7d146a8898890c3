"""What is transplanted is what a layer adds to the residual stream."""

import pytest
import torch
from families import CONFIGS, TARGET, tiny_model

from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType

NOT_AS_THEY_ARE = {
    **dict.fromkeys(
        ("gemma2", "gemma3", "gemma3, multimodal", "olmo2", "olmo3", "exaone4"), "normed"
    ),
    **dict.fromkeys(("granite", "falcon_h1"), "scaled"),
}
"""Families that norm or scale what their modules return before they add it."""


@pytest.mark.parametrize("family", [name for name in CONFIGS if name not in NOT_AS_THEY_ARE])
def test_a_layer_adds_the_outputs_of_its_modules(family: str) -> None:
    model = tiny_model(family)
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Hook:
        def hook(hidden: torch.Tensor) -> None:
            kept[name] = hidden.clone()

        return hook

    for layer in (layer for layer, part in enumerate(model.attn) if part is not None):
        block = model.layers[layer]
        modules = [
            (model.module(kind, layer), keep(kind)) for kind in (ModuleType.ATTN, ModuleType.MLP)
        ]
        with (
            hooks(on_input=[(block, keep("before"))], on_output=[(block, keep("after")), *modules]),
            torch.inference_mode(),
        ):
            model.hf(**model.inputs(TARGET))
        added = kept["after"] - kept["before"]
        expected = kept["attn"] + kept["mlp"].view_as(added)
        assert (added - expected).norm() < 1e-4 * added.norm()
