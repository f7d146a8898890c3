"""Encoder-decoder checkpoints from the command line: run, dry run, check and try."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import VOCABULARY, message, tokenizer
from transformers import (
    GenerationConfig,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MT5Config,
    MT5ForConditionalGeneration,
)

from xtransplant.cli import app as cli
from xtransplant.engine.load_model import load_model
from xtransplant.types import ModuleType

N_ENCODER_LAYERS, N_DECODER_LAYERS = 3, 2


@pytest.fixture
def mt5(tmp_path: Path) -> Path:
    """Write an mT5 with an unembedding of its own, as its checkpoints have."""
    torch.manual_seed(0)
    config = MT5Config(
        **{"vocab_size": len(VOCABULARY), "d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2},
        **{"num_layers": N_ENCODER_LAYERS, "num_decoder_layers": N_DECODER_LAYERS},
        **{"pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0},
    )
    hf = MT5ForConditionalGeneration(config)
    for weight in hf.parameters():
        if weight.dim() > 1:
            weight.data.normal_(0, 0.5)
    hf.save_pretrained(tmp_path / "mt5")
    tokenizer().save_pretrained(tmp_path / "mt5")
    weights = tmp_path / "mt5" / "model.safetensors"
    unembedding = torch.randn(len(VOCABULARY), 16)
    save_file({**load_file(weights), "lm_head.weight": unembedding}, weights, {"format": "pt"})
    return tmp_path / "mt5"


def test_an_unembedding_of_its_own_stays_its_own(mt5: Path) -> None:
    hf = load_model(str(mt5)).hf
    stored = load_file(mt5 / "model.safetensors")["lm_head.weight"]
    assert torch.equal(hf.get_output_embeddings().weight, stored)
    assert not torch.equal(hf.get_input_embeddings().weight, stored)


def test_check_finds_every_module_identical(mt5: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["model=hf", f"model.id={mt5}", "languages=[de]", "limit=1"]
    assert cli.main(["check", *arguments, "decode.max_new_tokens=5"]) == 0
    out = capsys.readouterr().out
    lines = {words[0]: words[1:4] for words in map(str.split, out.splitlines()) if len(words) >= 4}
    for module in ModuleType:
        n_cells, identical, changed = map(int, lines[module])
        n_layers = N_ENCODER_LAYERS if module == "encoder_block" else N_DECODER_LAYERS
        assert n_cells == identical == n_layers**2 and changed > 0, module
    assert out.rstrip().endswith("identical, token for token")


@pytest.mark.parametrize(
    ("module", "n_layers"), [("cross_attn", N_DECODER_LAYERS), ("encoder_block", N_ENCODER_LAYERS)]
)
def test_a_run_holds_a_row_for_each_cell(
    mt5: Path, tmp_path: Path, module: str, n_layers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["model=hf", f"model.id={mt5}", "languages=[de]", "limit=2", f"module={module}"]
    arguments += ["decode.max_new_tokens=3", f"output_root={tmp_path / 'out'}"]
    assert cli.main(["run", *arguments, "--dry-run"]) == 0
    assert f"{n_layers**2} of {n_layers}²" in capsys.readouterr().out
    assert cli.main(["run", *arguments]) == 0
    rows = pd.concat(pd.read_parquet(f) for f in (tmp_path / "out").rglob("generations/*.parquet"))
    assert len(rows) == 2 * (n_layers**2 + 1)
    assert rows.source_layer.max() == rows.target_layer.max() == n_layers - 1
    assert rows.groupby("instance_id").text.nunique().min() > 1


def test_try_on_a_translator_starts_with_the_language_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    sides = {
        f"{side}_{name}": size
        for side in ("encoder", "decoder")
        for name, size in (("layers", 2), ("ffn_dim", 32), ("attention_heads", 2))
    }
    config = M2M100Config(vocab_size=len(VOCABULARY), d_model=16, init_std=0.5, **sides)
    config.decoder_start_token_id = 2
    folder = tmp_path / "m2m"
    hf = M2M100ForConditionalGeneration(config)
    hf.generation_config = GenerationConfig(decoder_start_token_id=2, eos_token_id=2)
    hf.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    letter = tokenizer().convert_tokens_to_ids("f")
    assert load_model(str(folder)).decoder_prompt == (2,)
    assert load_model(str(folder), language_token="f").decoder_prompt == (2, letter)
    text = message(lambda: load_model(str(folder), language_token="</S>"))
    assert text.startswith("unknown language token '</S>'; allowed: ") and "nearest" in text
    assert cli.main(["try", "--model", str(folder), "--source", "ab", "--target", "cd"]) == 0
    assert "baseline" in capsys.readouterr().out
    settings = json.loads((folder / "generation_config.json").read_text())
    del settings["decoder_start_token_id"]
    (folder / "generation_config.json").write_text(json.dumps(settings))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "decoder_start_token_id": None}))
    assert "without decoder_start_token_id" in message(lambda: load_model(str(folder)))
