"""Loading from a local folder: what comes out, and one line for all that is wrong with it."""

import json
import shutil
import time
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import N_LAYERS, message, save_llama
from transformers import AutoConfig, AutoModelForCausalLM, ViTConfig

from xtransplant import cache
from xtransplant.engine import prefix_cache
from xtransplant.engine.load_model import load_model
from xtransplant.engine.transplant import transplant
from xtransplant.errors import ConfigError, LayerError, MachineError
from xtransplant.models.families import find_parts
from xtransplant.models.load_options import LoadKeywords, LoadOptions
from xtransplant.models.loading import identity, load_config, load_tokenizer
from xtransplant.models.probe import verify
from xtransplant.types import ModuleType

WEIGHTS = "model.safetensors"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_llama(tmp_path / "tiny")
    return tmp_path / "tiny"


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    tensors = {**load_file(folder / WEIGHTS), **changes}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})


def test_a_folder_is_loaded_as_asked(folder: Path) -> None:
    written = save_llama(folder, seed=1)
    model = load_model(str(folder), device="cpu")
    assert model.n_layers == N_LAYERS
    assert model.id == str(folder)
    assert not model.hf.training
    assert not any(parameter.requires_grad for parameter in model.hf.parameters())
    assert model.hf.dtype == torch.float32
    for name, tensor in written.state_dict().items():
        assert torch.equal(model.hf.state_dict()[name], tensor), name
    assert model.tokenizer("ab")["input_ids"] == load_tokenizer(str(folder))("ab")["input_ids"]
    assert model.tokenizer.decode(model.tokenizer("née")["input_ids"]) == "née"
    assert load_config(str(folder)).num_hidden_layers == N_LAYERS


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_is_what_was_asked_not_what_was_stored(folder: Path, dtype: str) -> None:
    assert load_model(str(folder), dtype=dtype).hf.dtype == getattr(torch, dtype)
    save_llama(folder, dtype=dtype)
    assert load_model(str(folder)).hf.dtype == torch.float32


@pytest.mark.parametrize(
    "name",
    [
        *("model.bin", "pytorch_model-00001.bin", "../other/model.safetensors", "a/b.safetensors"),
        *("/tmp/model.safetensors", "..", "", 7, None, "model.safetensors.bin"),
    ],
)
def test_an_index_names_safetensors_beside_it_and_nothing_else(tmp_path: Path, name: Any) -> None:
    save_llama(tmp_path / "other")
    save_llama(tmp_path / "sharded")
    (tmp_path / "sharded" / "model.safetensors").unlink()
    torch.save(load_file(tmp_path / "other" / "model.safetensors"), tmp_path / "sharded/model.bin")
    weights = dict.fromkeys(load_file(tmp_path / "other" / "model.safetensors"), name)
    index = {"metadata": {}, "weight_map": weights}
    (tmp_path / "sharded" / "model.safetensors.index.json").write_text(json.dumps(index))
    told = message(lambda: load_model(str(tmp_path / "sharded")))
    assert "model.safetensors.index.json' names " in told
    assert told.endswith("allowed: names of files beside it that end in .safetensors")


def test_shards_are_loaded(tmp_path: Path) -> None:
    written = save_llama(tmp_path / "one")
    written.save_pretrained(tmp_path / "many", max_shard_size="10KB")
    shutil.copy(tmp_path / "one" / "tokenizer.json", tmp_path / "many")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    model = load_model(str(tmp_path / "many"))
    for name, tensor in written.state_dict().items():
        assert torch.equal(model.hf.state_dict()[name], tensor), name
    sorted((tmp_path / "many").glob("*.safetensors"))[1].unlink()
    assert "lacks weights: no file 'model-00002-of-" in message(
        lambda: load_model(str(tmp_path / "many"))
    )


def test_layers_that_do_not_fit_are_put_elsewhere_and_compute_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = load_model(str(folder), device_map=None)
    size = sum(weight.nbytes for weight in alone.hf.parameters())
    monkeypatch.setattr(
        "transformers.integrations.accelerate.get_max_memory",
        lambda *_: {"cpu": int(0.8 * size)},
    )
    spread = load_model(str(folder), device="cpu", device_map="auto")
    assert set(spread.hf.hf_device_map.values()) == {"cpu", "disk"}
    grids = [
        transplant(model, [5, 6, 7, 8], [9, 10, 11], "mlp", max_new_tokens=5)
        for model in (alone, spread)
    ]
    assert grids[0].baseline == grids[1].baseline
    assert grids[0].generations == grids[1].generations
    assert len({generation.text for generation in grids[0].generations.values()}) > 1


def test_layers_on_several_devices_and_torchrun_exclude_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtransplant.models.parallel.n_processes", lambda: 2)
    with pytest.raises(ConfigError, match=r"^device_map=auto spreads layers in one process, and"):
        load_model(str(folder), device_map="auto")


def test_torchrun_needs_a_plan_for_the_architecture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xtransplant.models.parallel.n_processes", lambda: 2)
    sizes = {"vocab_size": 50, "hidden_size": 16, "n_layer": 2, "n_head": 2}
    hf = AutoModelForCausalLM.from_config(AutoConfig.for_model("bloom", **sizes))
    hf.save_pretrained(folder)
    text = message(lambda: load_model(str(folder)))
    assert text.startswith("transformers has no plan for sharing the matrices of ")
    assert "'bloom' among 2 processes; start one process without torchrun" in text


def test_generate_is_plain_greedy_whatever_the_checkpoint_says(folder: Path) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    plain = ids
    own = load_model(str(folder)).hf
    with torch.inference_mode():
        for _ in range(12):
            plain = torch.cat([plain, own(plain).logits[:, -1:].argmax(-1)], dim=1)
    edit_json(
        folder / "generation_config.json",
        **{"repetition_penalty": 5.0, "do_sample": True, "temperature": 2.0, "top_k": 3},
        **{"no_repeat_ngram_size": 1, "suppress_tokens": [int(plain[0, 4])], "min_length": 30},
        **{"eos_token_id": [2, 9], "bos_token_id": 1, "pad_token_id": 4},
    )
    edit_json(folder / "config.json", eos_token_id=3)
    model = load_model(str(folder))
    assert model.eos_token_ids == {2, 9}
    assert model.hf.generation_config.bos_token_id == 1
    assert model.hf.generation_config.pad_token_id == 4
    stop = {2, 9} & set(plain[0, 4:].tolist())
    assert not stop, "choose another seed: this continuation must not end early"
    out = model.hf.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=12)
    assert out.tolist() == plain.tolist()


def test_special_tokens_that_only_the_config_has(folder: Path) -> None:
    edit_json(folder / "config.json", eos_token_id=[7, 2], pad_token_id=6)
    (folder / "generation_config.json").write_text('{"bos_token_id": 8}')
    tokens = load_model(str(folder)).hf.generation_config
    assert (tokens.bos_token_id, tokens.eos_token_id, tokens.pad_token_id) == (8, [7, 2], 6)
    (folder / "generation_config.json").unlink()
    assert load_model(str(folder)).eos_token_ids == {7, 2}


def test_identity_is_the_content_not_the_path(folder: Path, tmp_path: Path) -> None:
    before = identity(str(folder))
    assert before.startswith("sha256:") and len(before) == 71
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "other name")
    (copy / "README.md").write_text("not read when loading")
    assert identity(str(copy)) == before
    edit_weights(copy, **{"model.norm.weight": torch.full((16,), 1.0001)})
    assert identity(str(copy)) != before
    for name, change in [
        ("config.json", {"rope_theta": 1.0}),
        ("generation_config.json", {"eos_token_id": 5}),
        ("tokenizer.json", {"truncation": None, "version": "1.1"}),
    ]:
        fresh = shutil.copytree(folder, tmp_path / name)
        edit_json(fresh / name, **change)
        assert identity(str(fresh)) != before, name
    (copy / "chat_template.jinja").write_text("{{ messages[0].content }}")
    one = identity(str(copy))
    (copy / "chat_template.jinja").write_text("user: {{ messages[0].content }}")
    assert identity(str(copy)) != one


def test_digest_of_a_large_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_REMEMBER_BYTES", 0)
    seen: list[str] = []

    def on_step(name: str, done: int, total: int) -> None:
        assert 0 < done <= total
        seen.append(name)

    before = identity(str(folder), on_step=on_step)
    assert f"digest of {WEIGHTS}" in seen
    seen.clear()
    assert identity(str(folder), on_step=on_step) == before
    assert not seen
    edit_weights(folder, **{"model.norm.weight": torch.full((16,), 2.0)})
    assert identity(str(folder), on_step=on_step) != before
    assert seen == [f"digest of {WEIGHTS}"]


def test_pickled_weights_are_refused_unless_allowed(folder: Path) -> None:
    before = load_model(str(folder)).hf.state_dict()
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    text = message(lambda: load_model(str(folder)))
    assert "pytorch_model.bin" in text and "model.allow_pickle=true" in text
    after = load_model(str(folder), allow_pickle=True).hf.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert identity(str(folder)).startswith("sha256:")
    (folder / "pytorch_model.bin").write_bytes(b"nonsense")
    assert "cannot read" in message(lambda: load_model(str(folder), allow_pickle=True))


def test_safetensors_go_before_pickles(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"nonsense")
    assert load_model(str(folder), allow_pickle=True).n_layers == N_LAYERS


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_unknown_device(folder: Path, device: str) -> None:
    assert f"no device {device!r}; allowed: auto, cpu" in message(
        lambda: load_model(str(folder), device=device)
    )


def test_products_are_of_full_precision_unless_asked_for(folder: Path) -> None:
    torch.set_float32_matmul_precision("high")  # as an environment variable may have done
    torch.backends.cudnn.allow_tf32 = True  # as torch has it
    load_model(str(folder), device="cpu")
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.backends.cudnn.allow_tf32


def test_tf32_needs_a_gpu(folder: Path) -> None:
    assert message(lambda: load_model(str(folder), dtype="tf32", device="cpu")) == (
        "dtype 'tf32' on cpu; it needs a GPU; nearest match: float32"
    )


def test_code_of_a_checkpoint_is_not_run_unasked(folder: Path) -> None:
    code = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    edit_json(folder / "config.json", model_type="own", auto_map=code)
    (folder / "own.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnModel(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    for load in (load_model, load_config):
        text = message(lambda load=load: load(str(folder)))
        assert text.startswith(f"'{folder}' needs Python code that comes with it, which is not run")
        assert "unless model.trust_remote_code=true is set" in text
    loaded = load_model(str(folder), trust_remote_code=True)
    assert type(loaded.hf).__name__ == "OwnModel" and loaded.n_layers == N_LAYERS


def test_unknown_dtype(folder: Path) -> None:
    text = message(lambda: load_model(str(folder), dtype="flot32"))
    assert "unknown dtype 'flot32'" in text and "nearest match: float32" in text


def test_what_is_no_language_model(tmp_path: Path) -> None:
    ViTConfig(num_hidden_layers=2).save_pretrained(tmp_path / "vit")
    for load in (load_model, load_config):
        text = message(lambda load=load: load(str(tmp_path / "vit")))
        assert "model type 'vit', for which transformers has no language model that" in text


@pytest.mark.parametrize(
    ("model_type", "said"),
    [
        ("bloom", "so each row reads a copy of the prefix"),
        ("jamba", "some layers have recurrent states"),
        ("", ""),
    ],
)
def test_what_is_copied_is_said_once(
    model_type: str, said: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if model_type:
        heads = {"num_attention_heads": 2, "num_key_value_heads": 2}
        sizes = {"vocab_size": 50, "hidden_size": 16, "num_experts": 1}
        layers = {"num_hidden_layers": 2, "attn_layer_period": 2, "attn_layer_offset": 0}
        config = AutoConfig.for_model(model_type, **heads, **sizes, **layers)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    load_model(str(folder))
    messages = [r.getMessage() for r in caplog.records if r.name == "xtransplant.engine.load_model"]
    assert len(messages) == bool(said) and all(said in message for message in messages)


def test_missing_files(folder: Path) -> None:
    config = folder / "config.json"
    kept = config.read_text()
    config.unlink()
    assert "no config.json" in message(lambda: load_model(str(folder)))
    config.write_text(kept)
    (folder / "tokenizer.json").unlink()
    for load in (load_model, load_tokenizer):
        assert "no tokenizer" in message(lambda load=load: load(str(folder)))
    (folder / WEIGHTS).unlink()
    assert "has no weights: no model.safetensors" in message(lambda: identity(str(folder)))


def test_a_path_that_is_not_there_shows_the_nearest(folder: Path) -> None:
    text = message(lambda: load_model(str(folder.with_name("tinny"))))
    assert "no file or folder" in text and f"nearest match: {folder}" in text


def test_revision_is_refused_for_a_folder(folder: Path) -> None:
    assert "revision 'v1' is for hub ids" in message(lambda: load_model(str(folder), revision="v1"))


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"model_type": 3}',
        b'{"model_type": "llama", "hidden_size": "wide"}',
        b"\xff\xfe",
    ],
)
def test_damaged_config(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    assert str(folder) in message(lambda: load_model(str(folder)))


def test_damaged_weights(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    for broken in (content[: len(content) // 2], b"", b"\x00" * 200):
        (folder / WEIGHTS).write_bytes(broken)
        assert "cannot read" in message(lambda: load_model(str(folder)))


def test_damaged_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    assert "cannot read 'tokenizer of" in message(lambda: load_model(str(folder)))


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    edit_weights(folder, **{"model.layers.1.mlp.up_proj.weight": None})
    text = message(lambda: load_model(str(folder)))
    assert "lacks 1 weights" in text and "model.layers.1.mlp.up_proj.weight" in text


def test_weights_of_another_shape(folder: Path) -> None:
    edit_weights(folder, **{"model.layers.2.mlp.up_proj.weight": torch.ones(5, 16)})
    text = message(lambda: load_model(str(folder)))
    assert "another shape" in text and "model.layers.2.mlp.up_proj.weight" in text


def test_layers_that_the_config_leaves_out(folder: Path) -> None:
    edit_json(folder / "config.json", num_hidden_layers=N_LAYERS - 1)
    text = message(lambda: load_model(str(folder)))
    assert "model.layers.2." in text and "its config says 2 layers" in text


def test_verify_names_the_layer_and_module_that_is_not_finite(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)["model.layers.1.mlp.down_proj.weight"]
    weights[3, 4] = 3e38
    edit_weights(folder, **{"model.layers.1.mlp.down_proj.weight": weights * 3e38})
    weights[:] = 3e38
    edit_weights(folder, **{"model.layers.1.mlp.down_proj.weight": weights})
    text = message(lambda: load_model(str(folder)))
    assert "layer 1 mlp returns NaN or infinite values in torch.float32; float32 holds no" in text


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "name",
    [
        *("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"),
        *("model.layers.2.self_attn.q_proj.weight", "model.layers.0.input_layernorm.weight"),
    ],
)
def test_a_weight_that_is_no_number_is_named(folder: Path, name: str, value: str) -> None:
    weights = load_file(folder / WEIGHTS)[name]
    weights[-1] = float(value)  # of the embedding, a token that no probe reads
    edit_weights(folder, **{name: weights})
    assert message(lambda: load_model(str(folder))) == (
        f"'{folder}' has NaN or infinite weights in {name} in torch.float32; the checkpoint is "
        "damaged; fetch it again"
    )


def test_a_weight_that_float16_does_not_hold_is_named(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)["model.embed_tokens.weight"]
    weights[-1] = 1e5
    edit_weights(folder, **{"model.embed_tokens.weight": weights})
    text = message(lambda: load_model(str(folder), dtype="float16"))
    assert "weights in model.embed_tokens.weight in torch.float16; if they fit in float32, " in text
    load_model(str(folder), dtype="float32")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers=1000000000 in its config.json; allowed:"),
        ({"num_hidden_layers": 1e30}, "num_hidden_layers=1e+30 in its config.json; allowed:"),
        (
            {"text_config": {"n_layer": 2000}},
            "n_layer=2000 in its config.json; allowed: up to 1,000",
        ),
        ({"num_hidden_layers": [3]}, "cannot read"),
    ],
)
def test_layers_that_no_machine_holds_are_refused_at_once(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    edit_json(folder / "config.json", **changes)
    start = time.monotonic()
    assert said in message(lambda: load_config(str(folder)))
    assert said in message(lambda: load_model(str(folder)))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("n", [0, -1])
def test_a_model_without_layers_is_refused(folder: Path, n: int) -> None:
    edit_json(folder / "config.json", num_hidden_layers=n)
    with pytest.raises(LayerError, match=f"config.json says {n} layers; allowed: 1 or more"):
        load_model(str(folder))


@pytest.mark.parametrize("sizes", [{"vocab_size": 10**14}, {"intermediate_size": 10**14}])
def test_a_checkpoint_that_is_too_large_is_a_failure_of_the_machine(
    folder: Path, sizes: dict[str, int]
) -> None:
    edit_json(folder / "config.json", **sizes)
    with pytest.raises(MachineError) as error:
        load_model(str(folder))
    text = str(error.value)
    assert text.startswith(f"out of memory at loading '{folder}': ") and "\n" not in text
    assert text.endswith(
        "model.dtype=bfloat16 and device_map=auto need less of a device's memory; "
        "else take a machine with more"
    )


def test_memory_that_ends_while_a_library_reads_is_not_called_a_damaged_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for failure in (MemoryError(), OSError(12, "Cannot allocate memory"), torch.OutOfMemoryError()):

        def fail(*_: object, failure: Exception = failure, **__: object) -> None:
            raise failure

        monkeypatch.setattr("xtransplant.models.loading.AutoTokenizer.from_pretrained", fail)
        with pytest.raises(MachineError, match=r"^out of memory at loading '"):
            load_model(str(folder))


@pytest.mark.parametrize("token", ["x", [2, "x"], True, 1.5, {"a": 1}])
def test_an_end_token_that_is_no_id_is_refused(folder: Path, token: object) -> None:
    edit_json(folder / "generation_config.json", eos_token_id=token)
    edit_json(folder / "config.json", eos_token_id=None)
    assert message(lambda: load_model(str(folder)))


def test_verify_sees_a_module_that_is_not_called_or_not_as_wide(folder: Path) -> None:
    model = load_model(str(folder))
    attn = [*model.attn[:2], torch.nn.Linear(2, 2)]
    wrong = find_parts(model.hf, model.tokenizer)
    object.__setattr__(wrong, "attn", attn)
    text = message(lambda: verify(wrong))
    assert "layer 2 attn is not called in a forward pass; a LlamaDecoderLayer has self_attn" in text
    assert text.endswith("name the right one: model.family.attn=…")
    object.__setattr__(wrong, "attn", [model.mlp[0].up_proj, *model.attn[1:]])
    assert "layer 0 attn returns shape (1, 4, 32), not (1, 4, 16)" in message(lambda: verify(wrong))


def test_an_engine_that_does_not_agree_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attend = prefix_cache.attend
    monkeypatch.setattr(prefix_cache, "attend", lambda query, *rest: attend(2 * query, *rest))
    text = message(lambda: load_model(str(folder)))
    assert "log-probabilities differ by" in text and "this architecture is not supported" in text


def test_verify_leaves_no_hook(folder: Path) -> None:
    model = load_model(str(folder))
    for module in ModuleType:
        of_layers = model.modules(module)
        assert not any(part._forward_hooks for of_layer in of_layers for part in of_layer)


def test_a_misspelt_argument_is_refused(folder: Path) -> None:
    with pytest.raises(TypeError, match="dtpye"):
        load_model(str(folder), **{"dtpye": "bfloat16"})


def test_type_checkers_know_every_field_of_the_options() -> None:
    assert get_type_hints(LoadKeywords) == get_type_hints(LoadOptions)
