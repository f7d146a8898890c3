"""`xtransplant similarity`, against numpy and scipy on activations that the oracle captures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from encoder_decoders import tiny_model as encoder_decoder
from families import SOURCE, TARGET, having, tiny_model
from scipy.spatial.distance import cdist

import xtransplant as xt
from xtransplant.analysis.similarity import similarity
from xtransplant.cli import app as cli
from xtransplant.engine import oracle
from xtransplant.engine.learned_vectors import activations
from xtransplant.tasks.pocket import Pocket
from xtransplant.types import Direction, ModuleType


def test_figures_worked_out_by_hand() -> None:
    pivot = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    language = np.array([[2.0, 0.0], [0.0, -1.0], [0.0, 5.0]])
    found = similarity(pivot, language)
    half = 2**-0.5
    assert found.same_question == pytest.approx((1 - 1 + half) / 3)
    assert found.other_questions == pytest.approx((0 + 0 - 1) / 3)
    # Of the pivot's prompts only the first is nearest to its own; so is the first of the others'
    # prompts. The second and third of these are nearest to the first and to the second.
    assert found.nearest_is_same == pytest.approx(2 / 6)


def test_a_row_of_zeros_is_like_nothing() -> None:
    found = similarity(np.array([[0.0, 0.0], [1.0, 0.0]]), np.eye(2))
    assert found.same_question == 0 and np.isfinite(found.other_questions)


@pytest.mark.parametrize("family", ["llama", "gemma2", "jamba"])
def test_activations_are_those_that_the_oracle_captures(family: str) -> None:
    model = tiny_model(family)
    prompts = [tuple(SOURCE), tuple(TARGET), tuple(TARGET[:4])]
    wanted = [ModuleType.ATTN, ModuleType.MLP, ModuleType.BLOCK, ModuleType.ATTN_RESIDUAL]
    found = activations(model, wanted, prompts)
    for module in wanted:
        for layer in having(model, module):
            for number, prompt in enumerate(prompts):
                own = oracle.capture_layer(model, prompt, module, layer)
                assert found[module][number, layer] == pytest.approx(
                    own.numpy(), rel=1e-4, abs=1e-3
                )


def test_each_prompt_is_read_once_on_both_sides_of_an_encoder_decoder() -> None:
    model = encoder_decoder("t5")
    prompts = [tuple(SOURCE[:5]), tuple(TARGET[:6])]
    found = activations(model, [ModuleType.MLP, ModuleType.ENCODER_BLOCK], prompts)
    for module, acts in found.items():
        for layer in range(acts.shape[1]):
            own = oracle.capture_layer(model, prompts[1], module, layer)
            assert acts[1, layer] == pytest.approx(own.numpy(), rel=1e-4, abs=1e-3)


def test_the_command_from_prompts_to_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["similarity", "languages=[sw,en]", "pivot=de", "limit=7", "--modules", "mlp,block"]
    assert cli.main([*given, "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        f"similarity.{suffix}" for suffix in ("parquet", "csv", "md", "tex", "png", "pdf")
    }
    frame = pd.read_parquet(tmp_path / "similarity.parquet")
    assert len(frame) == 2 * 2 * 8 and set(frame["pivot"]) == {"de"} and set(frame.n) == {7}
    model = xt.load_model("assets/pocket", distribution="xtransplant")
    source = Pocket(None, "en")
    asked = {
        code: [
            model.tokenizer(lazy.build().target)["input_ids"]
            for lazy in source.lazy_instances("dev", code, Direction.EN_TO_X)[:7]
        ]
        for code in ("de", "sw")
    }
    for module, layer in ((ModuleType.MLP, 2), (ModuleType.BLOCK, 7)):
        german, swahili = (
            torch.stack([oracle.capture_layer(model, ids, module, layer) for ids in asked[code]])
            for code in ("de", "sw")
        )
        across, within = 1 - cdist(german, swahili, "cosine"), 1 - cdist(swahili, swahili, "cosine")
        rows = frame[(frame.language == "sw") & (frame.module == module) & (frame.layer == layer)]
        (row,) = rows.itertuples()
        assert row.same_question == pytest.approx(np.diag(across).mean(), abs=1e-5)
        assert row.other_questions == pytest.approx(within[~np.eye(7, dtype=bool)].mean(), abs=1e-5)
        hits = [across.argmax(axis) == np.arange(7) for axis in (0, 1)]
        assert row.nearest_is_same == pytest.approx(np.mean(hits))
    shown = capsys.readouterr().out
    assert "6 files:" in shown and shown.count("\nsw ") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["control=noise"], "control=noise has no effect on similarity"),
        (["limit=1"], "has 1 question; similarity needs two or more"),
        (["--modules", "mpl"], "unknown module 'mpl'"),
        (["languages=[xx]"], "unknown language 'xx'"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["similarity", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()
