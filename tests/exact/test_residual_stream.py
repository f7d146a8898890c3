"""The modules are what their names say: what each adds to the residual stream, and what it sees.

The oracle hooks the same modules as the engine, so that it would not see a wrong one.
"""

from collections.abc import Callable
from typing import Any

import encoder_decoders
import families
import pytest
import torch
from families import SOURCE, TARGET
from torch import nn

from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook, hooks
from xtransplant.types import ModuleType

ATTN, CROSS_ATTN, MLP = ModuleType.ATTN, ModuleType.CROSS_ATTN, ModuleType.MLP
FAMILIES = [
    *((families, name) for name in families.CONFIGS),
    *((encoder_decoders, name) for name in encoder_decoders.CONFIGS),
]
MIXERS = ("mamba", "linear_attn")
"""What hybrids have beside attention, or in its place."""

Join = Callable[[Any, torch.Tensor, torch.Tensor], torch.Tensor]
"""From a layer, the residual stream and a module's output to the residual stream behind it."""


def normed(name: str) -> Join:
    return lambda layer, stream, out: stream + getattr(layer, name)(out)


def normed_together(name: str) -> Join:
    return lambda layer, stream, out: getattr(layer, name)(stream + out)


def scaled(name: str) -> Join:
    return lambda layer, stream, out: stream + getattr(layer, name) * out


BEHIND = {ATTN: normed("post_attention_layernorm"), MLP: normed("post_feedforward_layernorm")}
TOGETHER = {
    ATTN: normed_together("self_attn_layer_norm"),
    CROSS_ATTN: normed_together("encoder_attn_layer_norm"),
    MLP: normed_together("final_layer_norm"),
}
JOINS: dict[str, dict[str, Join]] = {
    **dict.fromkeys(("gemma2", "gemma3", "gemma3, multimodal"), BEHIND),
    **dict.fromkeys(("olmo2", "olmo3", "exaone4"), BEHIND),
    "glm4": {ATTN: normed("post_self_attn_layernorm"), MLP: normed("post_mlp_layernorm")},
    "granite": dict.fromkeys((ATTN, MLP), scaled("residual_multiplier")),
    "falcon_h1": {ATTN: scaled("attn_out_multiplier"), "mamba": scaled("ssm_out_multiplier")},
    **dict.fromkeys(("bart", "marian", "opt 350m"), TOGETHER),
}
"""Families that norm or scale what their modules return; in all others it is added as it is."""


def parts(model: Model, layer: int) -> dict[str, nn.Module]:
    """Return what a layer adds the outputs of, in that order."""
    own = {name: getattr(model.layers[layer], name, None) for name in MIXERS}
    kinds = {
        kind: next(iter(model.modules(kind)[layer]), None)
        for kind in (ATTN, CROSS_ATTN, MLP)
        if model.modules(kind)
    }
    return {name: part for name, part in (own | kinds).items() if part is not None}


@pytest.mark.parametrize(("table", "family"), FAMILIES)
def test_a_layer_adds_the_outputs_of_its_modules(table: Any, family: str) -> None:
    model = table.tiny_model(family)
    joins = JOINS.get(family, {})
    for number, layer in enumerate(model.layers):
        kept: dict[str, torch.Tensor] = {}

        def keep(name: str, kept: dict[str, torch.Tensor] = kept) -> Hook:
            def hook(hidden: torch.Tensor) -> None:
                kept[name] = hidden.clone()

            return hook

        modules = parts(model, number)
        outputs = [(part, keep(name)) for name, part in modules.items()]
        with (
            hooks(on_input=[(layer, keep("in"))], on_output=[(layer, keep("block")), *outputs]),
            torch.inference_mode(),
        ):
            out = model.hf(**model.inputs(TARGET), output_hidden_states=True)
            stream = kept["in"]
            for name in modules:
                join = joins.get(name, lambda _, stream, output: stream + output)
                stream = join(layer, stream, kept[name].view_as(stream))
        added = kept["block"] - kept["in"]
        assert (kept["block"] - stream).norm() < 1e-4 * added.norm()
        states = out.decoder_hidden_states if model.decoder_prompt else out.hidden_states
        assert torch.equal(states[number], kept["in"]), "layers in another order than they run"


@pytest.mark.parametrize(("table", "family"), FAMILIES)
def test_attention_alone_looks_at_other_tokens(table: Any, family: str) -> None:
    model = table.tiny_model(family)
    torch.manual_seed(0)
    prompts = torch.tensor([TARGET[:4]] * 2)
    stream = torch.randn(1, 4, model.text_config.hidden_size).repeat(2, 1, 1)
    stream[1, :-1] = torch.randn_like(stream[1, :-1])
    inputs = {"input_ids": prompts}
    if model.decoder_prompt:
        inputs["decoder_input_ids"] = prompts
    for layer in families.having(model, ATTN):
        assert what_differs(model, layer, stream, inputs) - {*MIXERS} == {ATTN}


@pytest.mark.parametrize("family", encoder_decoders.CONFIGS)
def test_cross_attention_alone_looks_at_the_prompt(family: str) -> None:
    torch.manual_seed(0)
    model = encoder_decoders.tiny_model(family)
    inputs = {
        "input_ids": torch.tensor([TARGET[:4], SOURCE[:4]]),
        "decoder_input_ids": torch.tensor([TARGET[:4]] * 2),
    }
    stream = torch.randn(1, 4, model.text_config.hidden_size).repeat(2, 1, 1)
    for layer in range(model.n_layers):
        assert what_differs(model, layer, stream, inputs) == {CROSS_ATTN}


@torch.inference_mode()
def what_differs(
    model: Model, layer: int, stream_RTD: torch.Tensor, inputs: dict[str, torch.Tensor]
) -> set[str]:
    """Give a layer two inputs and silence its modules; return which returned two last tokens."""
    differ: set[str] = set()

    def silence(name: str) -> Hook:
        def hook(hidden: torch.Tensor) -> torch.Tensor:
            one, other = hidden.view_as(stream_RTD)[:, -1]
            if (one - other).abs().max() > 1e-4:
                differ.add(name)
            return torch.zeros_like(hidden)

        return hook

    silenced = [(part, silence(name)) for name, part in parts(model, layer).items()]
    replaced = [(model.layers[layer], lambda _: stream_RTD.clone())]
    with hooks(on_input=replaced, on_output=silenced):
        model.hf(**inputs)
    return differ
