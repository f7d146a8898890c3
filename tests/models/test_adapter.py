"""A PEFT adapter: the weights it leads to, its identity, and one line for what is wrong with it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, LoraModel, PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny_checkpoint import VOCABULARY, message, save_llama, tokenizer
from tokenizers import normalizers
from transformers import T5Config, T5ForConditionalGeneration

from xtransplant.config.compose import compose
from xtransplant.engine.load_model import load_model
from xtransplant.models.adapter import adapter_identity
from xtransplant.runner.plan import Plan, make_plan

# peft asks for a name that transformers has given up.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
WEIGHTS = "adapter_model.safetensors"
RANK, ALPHA = 2, 6


@pytest.fixture
def base(tmp_path: Path) -> Path:
    save_llama(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    config = LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        target_modules=["q_proj", "down_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    return save_adapter(tmp_path / "adapter", base, config)


def save_adapter(folder: Path, base: Path, config: object) -> Path:
    torch.manual_seed(3)
    get_peft_model(load_model(str(base)).hf, config).save_pretrained(folder)
    return folder


def test_weights_are_the_checkpoints_plus_the_scaled_product(base: Path, adapter: Path) -> None:
    plain, adapted = load_file(base / "model.safetensors"), load_file(adapter / WEIGHTS)
    loaded = load_model(str(base), adapter=str(adapter)).hf.state_dict()
    n_changed = 0
    for name, weight in plain.items():
        key = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{key}.lora_A.weight" in adapted:
            down, up = adapted[f"{key}.lora_A.weight"], adapted[f"{key}.lora_B.weight"]
            n_changed += 1
            torch.testing.assert_close(loaded[name], weight + ALPHA / RANK * up @ down)
            assert (loaded[name] - weight).abs().max() > 1e-3
        else:
            assert torch.equal(loaded[name], weight), name
    assert n_changed == 2 * 3


TIED = ["q_proj lm_head", "embed_tokens", "v_proj embed_tokens lm_head"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # peft's, of tied embeddings
@pytest.mark.parametrize("targets", TIED)
def test_an_adapter_of_tied_embeddings_computes_what_peft_does(
    tmp_path: Path, targets: str
) -> None:
    save_llama(tmp_path / "tied", tie_word_embeddings=True)
    config = LoraConfig(r=RANK, target_modules=targets.split(), init_lora_weights=False)
    adapter = save_adapter(tmp_path / "adapter", tmp_path / "tied", config)
    ids = torch.tensor([[5, 17, 3, 40, 8]])
    with torch.inference_mode():
        plain = load_model(str(tmp_path / "tied")).hf
        assert plain.get_input_embeddings().weight is plain.get_output_embeddings().weight
        of_base = plain(input_ids=ids).logits
        wanted = PeftModel.from_pretrained(plain, adapter).eval()(input_ids=ids).logits
        found = load_model(str(tmp_path / "tied"), adapter=str(adapter)).hf(input_ids=ids).logits
    assert (wanted - of_base).abs().max() > 0.1
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


KINDS = {
    "a whole unembedding": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    "a whole embedding": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "DoRA": {"target_modules": ["q_proj", "down_proj"], "use_dora": True},
    "DoRA on the unembedding": {"target_modules": ["lm_head"], "use_dora": True},
    "rank-stabilised": {"target_modules": ["q_proj"], "use_rslora": True},
    "some tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [5, 17]},
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_any_kind_computes_what_peft_does(
    tmp_path: Path, kind: str, tied: bool
) -> None:
    save_llama(tmp_path / "base", tie_word_embeddings=tied)
    config = LoraConfig(r=RANK, init_lora_weights=False, **KINDS[kind])
    require_peft_logits(tmp_path, config)


def save_t5(folder: Path) -> None:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    config = T5Config(vocab_size=len(VOCABULARY), decoder_start_token_id=0, **sizes)
    hf = T5ForConditionalGeneration(config)
    for weight in hf.parameters():
        if weight.dim() == 2:
            weight.data.normal_(0, 0.4)
    hf.save_pretrained(folder)
    tokenizer().save_pretrained(folder)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("targets", ["q wo", "embed_tokens", "lm_head", "embed_tokens lm_head"])
def test_an_adapter_of_an_encoder_decoder_model_computes_what_peft_does(
    tmp_path: Path, targets: str
) -> None:
    save_t5(tmp_path / "base")
    config = LoraConfig(r=RANK, target_modules=targets.split(), init_lora_weights=False)
    require_peft_logits(tmp_path, config)


def require_peft_logits(folder: Path, config: LoraConfig) -> None:
    """Compare logits with peft's, of the model in a folder and an adapter of random weights."""

    @torch.inference_mode()
    def logits(hf: Any) -> torch.Tensor:
        ids = torch.tensor([[5, 17, 3, 40, 8]])
        sides = ["input_ids", *["decoder_input_ids"] * hf.config.is_encoder_decoder]
        return hf(**dict.fromkeys(sides, ids), use_cache=False).logits

    torch.manual_seed(3)
    trained = get_peft_model(load_model(str(folder / "base")).hf, config)
    for weight in trained.parameters():
        if weight.requires_grad:
            weight.data += 0.2 * torch.randn_like(weight)
    trained.save_pretrained(folder / "adapter")
    plain = load_model(str(folder / "base")).hf
    of_base = logits(plain)
    wanted = logits(PeftModel.from_pretrained(plain, folder / "adapter").eval())
    found = logits(load_model(str(folder / "base"), adapter=str(folder / "adapter")).hf)
    assert (wanted - of_base).abs().max() > 0.1
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


def test_the_tokenizer_of_an_adapter_is_used_and_is_in_the_key(base: Path, adapter: Path) -> None:
    def plan(*more: str) -> Plan:
        given = ["model=hf", f"model.id={base}", f"model.adapter={adapter}", "limit=1"]
        return make_plan(compose([*given, "languages=[de]", "decode.max_new_tokens=2", *more]))

    text = "Ab"
    plain = plan()
    template = adapter / "chat_template.jinja"
    template.write_text("!{{ messages[0]['content'] }}")
    chat = plan("prompt.style=chat")
    assert chat.parts[0].prompts[0].target.text[0] == "!"
    template.write_text("?{{ messages[0]['content'] }}")
    assert plan("prompt.style=chat").key != chat.key
    template.unlink()
    lower = tokenizer()
    lower.backend_tokenizer.normalizer = normalizers.Lowercase()
    lower.save_pretrained(adapter)
    own = load_model(str(base), adapter=str(adapter)).tokenizer
    assert own(text)["input_ids"] == tokenizer()(text.lower())["input_ids"]
    assert plan().key != plain.key
    assert plan().parts[0].prompts[0].target.token_ids == tuple(
        tokenizer()(plain.parts[0].prompts[0].target.text.lower())["input_ids"]
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("tied", [False, True])
def test_an_adapter_with_added_tokens_is_loaded(tmp_path: Path, tied: bool) -> None:
    n_tokens = len(VOCABULARY) + 3
    plain = save_llama(tmp_path / "base", tie_word_embeddings=tied)
    plain.resize_token_embeddings(n_tokens)
    config = LoraConfig(r=RANK, target_modules=["q_proj"], init_lora_weights=False)
    trained = get_peft_model(plain, config)
    trained.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    ids = torch.tensor([[5, 17, n_tokens - 1, 40]])
    found = load_model(str(tmp_path / "base"), adapter=str(tmp_path / "adapter")).hf
    with torch.inference_mode():
        wanted = trained.eval()(input_ids=ids).logits
        torch.testing.assert_close(found(input_ids=ids).logits, wanted, atol=1e-3, rtol=0)
    assert wanted.shape[-1] == n_tokens


def test_an_adapter_that_merging_changes_is_refused(
    base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def merged(self: LoraModel, **_: object) -> object:
        model = self.unload()
        model.model.layers[1].mlp.up_proj.weight.data *= 1.1
        return model

    monkeypatch.setattr(LoraModel, "merge_and_unload", merged)
    text = message(lambda: load_model(str(base), adapter=str(adapter)))
    assert text.startswith(f"adapter '{adapter}': merging it changes the logits by")


def test_pickled_weights_are_read_only_where_that_is_allowed(base: Path, adapter: Path) -> None:
    torch.save(load_file(adapter / WEIGHTS), adapter / "adapter_model.bin")
    safe = load_model(str(base), adapter=str(adapter)).hf.state_dict()
    (adapter / WEIGHTS).unlink()
    text = message(lambda: load_model(str(base), adapter=str(adapter)))
    assert text.startswith(f"adapter '{adapter}' has no adapter_model.safetensors; pickled")
    assert text.endswith("model.allow_pickle=true is set")
    unpickled = load_model(str(base), adapter=str(adapter), allow_pickle=True).hf.state_dict()
    assert all(torch.equal(unpickled[name], tensor) for name, tensor in safe.items())


def test_what_is_wrong_with_an_adapter_is_one_line(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    def load(folder: Path) -> str:
        return message(lambda: load_model(str(base), adapter=str(folder)))

    assert load(tmp_path / "adaptor") == (
        f"no file or folder '{tmp_path / 'adaptor'}'; nearest match: {adapter}"
    )
    assert load(base) == f"'{base}' is not an adapter: it has no adapter_config.json"
    lacking = shutil.copytree(adapter, tmp_path / "lacking")
    tensors = load_file(lacking / WEIGHTS)
    lost = next(iter(tensors))
    save_file({name: t for name, t in tensors.items() if name != lost}, lacking / WEIGHTS)
    assert "Found missing adapter keys" in load(lacking)
    save_file({name: t[:1].clone() for name, t in tensors.items()}, lacking / WEIGHTS)
    assert "size mismatch" in load(lacking)
    assert load(lacking).endswith(f"; it was made for '{base}'")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["target_modules"] = ["query_key_value"]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    assert "query_key_value" in load(adapter)
    prefix = PrefixTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    assert "(PREFIX_TUNING) adds tokens to the prompt" in load(
        save_adapter(tmp_path / "prefix", base, prefix)
    )


def test_an_adapter_of_more_layers_is_refused(base: Path, tmp_path: Path) -> None:
    save_llama(tmp_path / "deeper", num_hidden_layers=5)
    config = LoraConfig(r=RANK, target_modules=["q_proj"], task_type="CAUSAL_LM")
    adapter = save_adapter(tmp_path / "adapter", tmp_path / "deeper", config)
    text = message(lambda: load_model(str(base), adapter=str(adapter)))
    assert text.startswith(f"adapter '{adapter}' has 4 weights without a place in the model, such")
    assert "layers.3.self_attn.q_proj.lora_A" in text
    assert text.endswith(f"; it was made for '{tmp_path / 'deeper'}'")


def test_an_adapter_beside_the_model_is_not_applied_unasked(base: Path, adapter: Path) -> None:
    for file in adapter.glob("adapter_*"):
        shutil.copy(file, base)
    text = message(lambda: load_model(str(base)))
    assert text.startswith(f"'{base}' has an adapter (adapter_config.json) beside the model")


def test_the_key_of_a_run_tells_the_adapter_and_not_where_it_is(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    def key(*overrides: str) -> str:
        given = ["model=hf", f"model.id={base}", "limit=1", "languages=[de]"]
        given.append("decode.max_new_tokens=2")
        return make_plan(compose([*given, *overrides])).key

    moved = shutil.copytree(adapter, tmp_path / "moved")
    with_adapter = key(f"model.adapter={adapter}")
    assert key(f"model.adapter={moved}") == with_adapter != key()
    tensors = load_file(moved / WEIGHTS)
    save_file({name: 2 * tensor for name, tensor in tensors.items()}, moved / WEIGHTS)
    assert key(f"model.adapter={moved}") != with_adapter
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert adapter_identity("org/adapter", commit) == f"org/adapter@{commit}"
