"""What is transplanted is what a layer adds to the residual stream."""

import encoder_decoders
import families
import pytest
import torch
from families import TARGET

from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType

NOT_AS_THEY_ARE = {
    **dict.fromkeys(
        ("gemma2", "gemma3", "gemma3, multimodal", "olmo2", "olmo3", "exaone4", "glm4"), "normed"
    ),
    **dict.fromkeys(("granite", "falcon_h1"), "scaled"),
    **dict.fromkeys(("bart", "marian"), "normed with the residual stream"),
}
"""Families that norm or scale what their modules return before or after they add it."""

KINDS = (ModuleType.ATTN, ModuleType.CROSS_ATTN, ModuleType.MLP)


@pytest.mark.parametrize(
    "family", [name for name in families.CONFIGS if name not in NOT_AS_THEY_ARE]
)
def test_a_layer_adds_the_outputs_of_its_modules(family: str) -> None:
    assert_adds(families.tiny_model(family))


@pytest.mark.parametrize(
    "family", [name for name in encoder_decoders.CONFIGS if name not in NOT_AS_THEY_ARE]
)
def test_a_decoder_layer_adds_the_outputs_of_its_modules(family: str) -> None:
    assert_adds(encoder_decoders.tiny_model(family))


def assert_adds(model: Model) -> None:
    kinds = [kind for kind in KINDS if any(model.modules(kind))]
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Hook:
        def hook(hidden: torch.Tensor) -> None:
            kept[name] = hidden.clone()

        return hook

    for layer in (layer for layer, part in enumerate(model.attn) if part is not None):
        block = model.layers[layer]
        modules = [(model.module(kind, layer), keep(kind)) for kind in kinds]
        with (
            hooks(on_input=[(block, keep("before"))], on_output=[(block, keep("after")), *modules]),
            torch.inference_mode(),
        ):
            model.hf(**model.inputs(TARGET))
        added = kept["after"] - kept["before"]
        expected = sum(kept[kind].view_as(added) for kind in kinds)
        assert (added - expected).norm() < 1e-4 * added.norm()
