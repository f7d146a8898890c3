"""Checkpoints in 4 and 8 bits: cells equal the oracle's, and one line where they cannot be read."""

import json
from pathlib import Path

import pytest
import torch
from tiny_checkpoint import message, save_llama, tokenizer
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from xtransplant.engine import oracle
from xtransplant.engine.load_model import load_model
from xtransplant.engine.transplant import transplant
from xtransplant.types import ModuleType

bitsandbytes = pytest.importorskip("bitsandbytes", reason="needs the extra bitsandbytes")
SOURCE, TARGET = list(range(3, 17)), list(range(20, 31))


def save_quantised(folder: Path, **settings: object) -> Path:
    save_llama(folder / "plain", hidden_size=64, intermediate_size=128)
    config = BitsAndBytesConfig(**settings)
    hf = AutoModelForCausalLM.from_pretrained(
        folder / "plain", quantization_config=config, device_map="cpu"
    )
    hf.save_pretrained(folder / "small")
    tokenizer().save_pretrained(folder / "small")
    return folder / "small"


@pytest.fixture
def four_bits(tmp_path: Path) -> Path:
    return save_quantised(
        tmp_path,
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32,
    )


def test_cells_of_a_checkpoint_in_4_bits_equal_the_oracle(four_bits: Path) -> None:
    model = load_model(str(four_bits))
    assert type(model.hf.model.layers[0].mlp.up_proj) is bitsandbytes.nn.Linear4bit
    grid = transplant(model, SOURCE, TARGET, "mlp", max_new_tokens=6)
    for cell, generation in grid.generations.items():
        expected = oracle.transplant_cell(model, SOURCE, TARGET, ModuleType.MLP, cell, 6)
        assert generation.token_ids == expected, cell
    assert any(generation != grid.baseline for generation in grid.generations.values())


def test_a_checkpoint_in_8_bits_is_read_without_a_remark_a_product(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_model(str(save_quantised(tmp_path, load_in_8bit=True)))
    assert type(model.hf.model.layers[0].mlp.up_proj) is bitsandbytes.nn.Linear8bitLt
    grid = transplant(model, SOURCE, TARGET, "mlp", max_new_tokens=6)
    assert any(generation != grid.baseline for generation in grid.generations.values())
    assert not [record for record in caplog.records if record.name.startswith("bitsandbytes")]


def test_a_missing_package_is_named_before_weights_are_read(
    four_bits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (four_bits / "model.safetensors").unlink()
    monkeypatch.setattr(
        "transformers.quantizers.quantizer_bnb_4bit.is_bitsandbytes_available", lambda: False
    )
    text = message(lambda: load_model(str(four_bits)))
    assert text.startswith(f"cannot read '{four_bits}': ImportError: ")
    assert "bitsandbytes" in text and "pip install" in text


def test_an_unknown_quantisation_is_one_line(four_bits: Path) -> None:
    config = json.loads((four_bits / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "magic"}
    (four_bits / "config.json").write_text(json.dumps(config))
    assert "magic" in message(lambda: load_model(str(four_bits)))
