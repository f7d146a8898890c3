"""Layers and modules of architectures that no row tells of, and what is said where none fit."""

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.models.llama.modeling_llama import LlamaAttention

from xtransplant.config.schema_keys import schema_keys
from xtransplant.engine.agreement import require_agreement
from xtransplant.engine.model_cache import state_bytes
from xtransplant.engine.writes import Writes
from xtransplant.errors import ModelError
from xtransplant.models.families import Family, Model, context_length, find_parts, layers_prefix
from xtransplant.models.probe import verify

SIZES = {
    **{"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "max_position_embeddings": 64},
    **{"num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1},
}


class NewConfig(LlamaConfig):
    model_type = "brand-new"


def new_model(**names: str) -> Any:
    """Return a model of a type that nobody knows; its layers' modules may have other names."""
    torch.manual_seed(0)
    hf = LlamaForCausalLM(NewConfig(**SIZES, initializer_range=0.3)).eval()
    for old, new in names.items():
        for layer in hf.model.layers:
            part = getattr(layer, old)
            delattr(layer, old)
            layer.add_module(new, part)
    return hf


def message(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        function(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_an_ordinary_layout_needs_no_row() -> None:
    model = find_parts(new_model(), None)
    assert [type(part).__name__ for part in (model.layers[2], model.attn[2], model.mlp[2])] == [
        *("LlamaDecoderLayer", "LlamaAttention", "LlamaMLP")
    ]
    assert model.n_layers == 3 and not model.own_attention
    assert layers_prefix(model.hf, model.layers) == "model.layers."
    require_agreement(model, verify(model))


def test_other_names_are_told_by_the_user() -> None:
    hf = new_model(self_attn="mixer", mlp="glu")
    said = message(find_parts, hf, None, id="org/new")
    assert said.startswith("no layer of 'org/new' (model type brand-new) has a module self_attn, ")
    assert "a LlamaDecoderLayer has " in said and "mixer (LlamaAttention), glu (LlamaMLP)" in said
    assert said.endswith("name the right one: model.family.attn=…")
    said = message(find_parts, hf, None, family=Family(attn="mixer"))
    assert said.endswith("model.family.mlp=…")
    model = find_parts(hf, None, family=Family(attn="mixer", mlp="glu.down_proj"))
    assert isinstance(model.attn[1], LlamaAttention) and isinstance(model.mlp[1], nn.Linear)
    said = message(find_parts, hf, None, family=Family(attn="mixer", mlp="down"))
    assert "has a module down; " in said


def test_one_module_of_two_names_is_one() -> None:
    hf = new_model()
    for layer in hf.model.layers:
        layer.attention = layer.self_attn
    assert isinstance(find_parts(hf, None).attn[2], LlamaAttention)


def granite_with_shared_part(width: int) -> Any:
    """Return a model whose layers add up experts and, unless its width is 0, a part of all."""
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1, "shared_intermediate_size": width}
    return AutoModelForCausalLM.from_config(
        AutoConfig.for_model("granitemoeshared", **SIZES, **experts)
    )


def test_of_two_feed_forward_modules_none_is_guessed() -> None:
    hf = granite_with_shared_part(24)
    said = message(find_parts, hf, None, id="org/granite")
    assert "have more than one mlp: block_sparse_moe, shared_mlp; a GraniteMoeShared" in said
    assert said.endswith("name the right one: model.family.mlp=…")
    told = find_parts(hf, None, family=Family(mlp="shared_mlp"))
    assert type(told.mlp[0]).__name__ == "GraniteMoeSharedMLP"
    alone = find_parts(granite_with_shared_part(0), None)
    assert type(alone.mlp[0]).__name__ == "GraniteMoeSharedMoE"


def test_layers_are_told_by_the_user() -> None:
    hf = new_model()
    hf.model.blocks, hf.model.others = nn.ModuleList(hf.model.layers), nn.ModuleList()
    said = message(find_parts, hf, None)
    assert "cannot tell which are the 3 decoder layers" in said
    assert "LlamaModel has model.layers (3 modules), model.blocks (3 modules)" in said
    assert said.endswith("name them: model.family.layers=…")
    assert find_parts(hf, None, family=Family(layers="model.blocks")).n_layers == 3
    said = message(find_parts, hf, None, family=Family(layers="model.others"))
    assert "has 0 layers at model.others, its config says 3" in said
    for wrong in ("model.h", "model.norm"):
        said = message(find_parts, hf, None, family=Family(layers=wrong))
        assert said.startswith(f"no layers of '' (model type brand-new) at '{wrong}': ")
        lists = "model.layers (3), model.blocks (3), model.others (0)"
        assert said.endswith(f"it has lists of modules {lists}; name one: model.family.layers=…")
    for side in ("cross_attn", "encoder_layers"):
        said = message(find_parts, new_model(), None, family=Family(**{side: "model.layers"}))
        assert said.endswith(
            "is not an encoder-decoder model: leave out cross_attn, encoder_layers"
        )


def test_an_encoder_decoder_is_told_by_the_user() -> None:
    class NewT5Config(T5Config):
        model_type = "brand-new-too"

    sizes = {"num_layers": 3, "num_decoder_layers": 2, "decoder_start_token_id": 0}
    config = NewT5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=24, num_heads=2, **sizes)
    hf = T5ForConditionalGeneration(config).eval()
    hf.encoder.towers = nn.ModuleList(hf.encoder.block)
    told = {"attn": "layer.0.SelfAttention", "mlp": "layer.2.DenseReluDense"}
    said = message(find_parts, hf, None, family=Family(**told))
    assert said.startswith("no layer of '' (model type brand-new-too) has a module encoder_attn, ")
    assert "layer.1.EncDecAttention (T5Attention), layer.1.layer_norm (T5LayerNorm)" in said
    assert said.endswith("name the right one: model.family.cross_attn=…")
    told["cross_attn"] = "layer.1.EncDecAttention"
    said = message(find_parts, hf, None, family=Family(**told))
    assert "cannot tell which are the 3 encoder layers" in said
    assert "encoder.block (3 modules), encoder.towers (3 modules)" in said
    assert said.endswith("name them: model.family.encoder_layers=…")
    model = find_parts(hf, None, family=Family(**told, encoder_layers="encoder.block"))
    assert (len(model.encoder_layers), model.n_layers) == (3, 2)
    assert {f"model.family.{field.name}" for field in fields(Family)} <= {*schema_keys()}


def agreeing() -> Model:
    model = find_parts(new_model(), None, id="org/new")
    require_agreement(model, verify(model))
    return model


def test_a_module_whose_output_is_not_used_is_told() -> None:
    model = agreeing()
    layer: Any = model.layers[1]
    layer.aside = nn.Linear(16, 16)
    layer.register_forward_hook(lambda part, args, output: part.aside(output) * 0 + output)
    mlp = [None, layer.aside, None]
    wrong = Model(model.hf, None, model.layers, model.attn, mlp, frozenset(), "x")
    said = message(require_agreement, wrong, verify(wrong))
    assert "a write to module 'mlp' of layer 1 has no effect; a LlamaDecoderLayer has" in said


@pytest.mark.parametrize("wrong", ["scaling", "values"])
def test_attention_that_does_not_agree_is_told(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's attention is given another scale, or keys for values."""
    from xtransplant.engine.prefix_cache import SharedPrefixCache

    def attend(self: Any, layer: int, query: Any, new: Any, rule: Any, *rest: Any, of: Any) -> Any:
        if wrong == "scaling":
            return of(self, layer, query * 2, new, rule, *rest)
        return of(self, layer, query, (new[0], new[0]), rule, *rest)

    model = agreeing()
    of = SharedPrefixCache.attend
    monkeypatch.setattr(SharedPrefixCache, "attend", lambda *a: attend(*a, of=of))
    assert "the engine's log-probabilities differ by" in message(
        require_agreement, model, verify(model)
    )


def test_a_norm_that_is_named_as_attention_is_told() -> None:
    """Its input is not a row's alone: the engine writes where the model by itself does not."""
    wrong = find_parts(new_model(), None, id="org/new", family=Family(attn="input_layernorm"))
    said = message(require_agreement, wrong, verify(wrong))
    assert "differ by" in said and said.endswith(", if model.family.attn is right")


def test_rows_that_do_not_stand_where_they_should_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an architecture whose layers get positions by a name that nobody knows."""
    model = agreeing()
    states = verify(model)
    monkeypatch.setattr("xtransplant.models.hooks.POSITIONS", ())
    said = message(require_agreement, model, states)
    assert said.startswith(
        "'org/new': the engine cannot run this architecture: RuntimeError: The size "
    )
    assert "a LlamaDecoderLayer has self_attn (LlamaAttention), mlp (LlamaMLP)" in said


@pytest.mark.parametrize("where", ["verify", "decode"])
def test_what_an_architecture_raises_is_one_line(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a model has a cache of its own, or returns a list for a tensor."""
    model = agreeing()

    def fails(*_: Any, **__: Any) -> None:
        raise AttributeError("no such\ncache")

    if where == "verify":
        model.layers[1].mlp.register_forward_hook(fails)
        said = message(verify, model)
    else:
        states = verify(model)
        monkeypatch.setattr("xtransplant.engine.agreement.decode", fails)
        said = message(require_agreement, model, states)
    assert said.startswith(
        "'org/new': the engine cannot run this architecture: AttributeError: no such cache; "
        "a LlamaDecoderLayer has self_attn"
    )


def test_memory_that_runs_out_at_load_is_not_the_architecture_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = agreeing()
    states = verify(model)

    def fails(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("xtransplant.engine.agreement.decode", fails)
    with pytest.raises(torch.OutOfMemoryError):
        require_agreement(model, states)


def test_a_write_that_does_not_agree_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's rows write twice the vector, the model's own what they should."""
    model = agreeing()
    states = verify(model)
    monkeypatch.setattr(
        "xtransplant.engine.steps.Writes",
        lambda model, rows, of=Writes: of(
            model,
            [replace(row, vector=2 * row.vector) if row.module else row for row in rows],
        ),
    )
    said = message(require_agreement, model, states)
    assert "the engine's log-probabilities differ by" in said and "with a write to " in said


def test_a_context_without_positions_has_no_bound() -> None:
    bloom = AutoConfig.for_model("bloom")
    assert context_length(bloom) > 10**9
    bloom.seq_length = 2048
    assert context_length(bloom) == 2048
    assert context_length(SimpleNamespace(max_position_embeddings=64)) == 64


def test_a_context_in_which_rotary_frequencies_stay_the_same() -> None:
    longrope = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    phi = {"max_position_embeddings": 131072, "original_max_position_embeddings": 4096}
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "rope_parameters": longrope}
    assert context_length(AutoConfig.for_model("phi3", **sizes, **phi)) == 4096
    dynamic = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}
    assert context_length(LlamaConfig(**SIZES, rope_parameters=dynamic)) == 64


def test_bytes_of_recurrent_states() -> None:
    assert state_bytes(agreeing()) == 0
    sizes = SIZES | {"attn_layer_period": 2, "attn_layer_offset": 0, "num_experts": 1}
    hf = AutoModelForCausalLM.from_config(
        AutoConfig.for_model("jamba", **sizes), dtype=torch.float32
    )
    # Layer 1 alone has a state space: 2 x 16 channels, each with 4 inputs and 16 numbers.
    assert state_bytes(find_parts(hf, None)) == 4 * 32 * (4 + 16)
