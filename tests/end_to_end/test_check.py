"""`xtransplant check` on models whose modules are not in every layer, or on two sides."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, LoraModel, get_peft_model
from tiny_checkpoint import VOCABULARY, save_llama, tokenizer
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    GenerationConfig,
    JambaConfig,
)

from xtransplant.cli import app as cli
from xtransplant.engine.load_model import load_model


def save(folder: Path, auto: Any, config: Any) -> Path:
    torch.manual_seed(0)
    hf = auto.from_config(config)
    for weight in hf.parameters():
        if weight.dim() == 2:
            weight.data.normal_(0, 0.4)
    hf.generation_config = GenerationConfig(decoder_start_token_id=2, pad_token_id=0)
    hf.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def check(folder: Path, capsys, *arguments: str) -> tuple[dict[str, list[int]], str]:
    """Return the numbers of each module's row, and what was told on standard error."""
    model = ["model=hf", f"model.id={folder}", "languages=[de]", "decode.max_new_tokens=3"]
    assert cli.main(["check", *model, *arguments]) == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    numbers = {row[0]: [int(n) for n in row[1:4]] for row in rows[2:] if row[1:2] != ["of"]}
    n_cells, _, n_changed = (sum(column) for column in zip(*numbers.values(), strict=True))
    assert f"{n_changed} of {n_cells} transplants changed the answer; identical, token" in out
    return numbers, err


@pytest.fixture
def bart(tmp_path: Path) -> Path:
    sizes = {"encoder_layers": 2, "decoder_layers": 4}
    for side in ("encoder", "decoder"):
        sizes |= {f"{side}_ffn_dim": 32, f"{side}_attention_heads": 2}
    config = BartConfig(vocab_size=len(VOCABULARY), d_model=16, **sizes)
    config.forced_eos_token_id = None
    return save(tmp_path / "bart", AutoModelForSeq2SeqLM, config)


@pytest.mark.parametrize("module", ["mlp", "encoder_block"])
def test_each_side_has_its_own_layers(bart: Path, module: str, capsys) -> None:
    numbers, _ = check(bart, capsys, f"module={module}")
    assert numbers.pop("encoder_block")[:2] == [2 * 2, 2 * 2]
    assert len(numbers) == 6
    assert {tuple(row[:2]) for row in numbers.values()} == {(4 * 4, 4 * 4)}


def test_only_layers_with_the_module_are_compared(tmp_path: Path, capsys) -> None:
    config = JambaConfig(
        **{"vocab_size": len(VOCABULARY), "hidden_size": 16, "intermediate_size": 32},
        **{"num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1},
        **{"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 1},
        **{"mamba_d_state": 4, "mamba_dt_rank": 4, "use_mamba_kernels": False},
    )
    folder = save(tmp_path / "jamba", AutoModelForCausalLM, config)
    numbers, _ = check(folder, capsys)
    assert numbers["attn"][:2] == [2 * 2, 2 * 2]  # of layers 1 and 3
    assert numbers["mlp"][:2] == [4 * 4, 4 * 4]
    arguments = ["model=hf", f"model.id={folder}", "grid.source_layers=[0]", "--modules", "attn"]
    assert cli.main(["check", *arguments]) == 2
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("error: layer 0 has no module 'attn'")
    )


def test_it_warns_where_no_transplant_changed_anything(tmp_path: Path, capsys) -> None:
    save_llama(tmp_path / "still", initializer_range=1e-3)
    numbers, err = check(tmp_path / "still", capsys, "--modules", "attn")
    assert numbers["attn"] == [9, 9, 0]
    assert "warning: no transplant of attn changed the answer" in err
    save_llama(tmp_path / "lively", initializer_range=0.5)
    numbers, err = check(tmp_path / "lively", capsys, "--modules", "block")
    assert numbers["block"][2] > 0
    assert "warning" not in err and "instances" not in err


# peft asks for a name that transformers has given up.
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_an_adapter_stays_beside_the_weights_for_the_oracle(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_llama(tmp_path / "base", initializer_range=0.5)
    torch.manual_seed(3)
    config = LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj"], init_lora_weights=False)
    adapter = tmp_path / "adapter"
    get_peft_model(load_model(str(tmp_path / "base")).hf, config).save_pretrained(adapter)
    asked = [f"model.adapter={adapter}", "--modules", "block"]
    assert check(tmp_path / "base", capsys, *asked)[0]["block"][:2] == [9, 9]

    def wrong(self: LoraModel, **_: object) -> object:
        return self.unload()

    monkeypatch.setattr(LoraModel, "merge_and_unload", wrong)
    monkeypatch.setattr("xtransplant.models.adapter._require_same", lambda *_: None)
    model = ["model=hf", f"model.id={tmp_path / 'base'}", "languages=[de]"]
    assert cli.main(["check", *model, "decode.max_new_tokens=3", *asked]) == 1
    assert "NOT identical" in capsys.readouterr().out
