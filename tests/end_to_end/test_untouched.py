"""Runs of the untouched model, alone and sampled, from the command line to a report."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import xtransplant as xt
from xtransplant.cli import app as cli
from xtransplant.engine import oracle
from xtransplant.models.families import Model
from xtransplant.reporting.page_data import Texts, views_of
from xtransplant.tasks.controls import CONTROLS, Inputs
from xtransplant.types import Cell

FEW = ("languages=[de,sw]", "limit=3")
PAIRS = ("grid=pairs", "grid.pairs=[[0,0],[5,2],[2,5]]")


def run(folder: Path, *overrides: str) -> None:
    assert cli.main(["run", *FEW, f"output_root={folder}", *overrides]) == 0


@pytest.fixture(scope="module")
def model() -> Model:
    return xt.load_model("assets/pocket", distribution="xtransplant")


def decoded(model: Model, tokens: tuple[int, ...]) -> str:
    text = model.tokenizer.decode(tokens, skip_special_tokens=True)
    assert isinstance(text, str)
    return text


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    for overrides in (
        ["grid=none"],
        [*PAIRS],
        [*PAIRS, "module=attn"],
        [*PAIRS, "control=samples"],
    ):
        run(folder, *overrides)
    return folder


def test_the_untouched_model_alone_answers_as_the_baseline_of_a_grid(study: Path) -> None:
    (alone,) = (
        one for one in xt.load_runs(study / "pocket/pocket/untouched").runs if one.identity.no_cells
    )
    rows = alone.folder.read_generations()
    grid = xt.load_runs(study / "pocket/pocket/mlp").generations
    baselines = grid[grid.source_layer.isna()]
    assert rows.text.tolist() == baselines.text.tolist()
    assert rows.source_layer.isna().all() and set(rows.control) == {"none"}
    views = {
        name: pd.read_parquet(alone.folder.path / f"{name}.parquet")
        for name in ("instances", "pairs")
    }
    assert views["pairs"].empty and views["instances"].n_cells.tolist() == [0] * 6
    assert views["instances"].baseline_correct.tolist() == baselines.correct.tolist()
    manifest = json.loads((alone.folder.path / "manifest.json").read_text())
    assert manifest["status"] == "done" and manifest["cost"]["source_tokens"] == 0
    assert list((alone.folder.path / "scores/exact_match-3").glob("*.parquet"))


def test_it_is_one_run_for_all_modules_and_is_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, "grid=none")
    (part,) = (tmp_path / "pocket/pocket/untouched").glob("*/generations/sw-*.parquet")
    before = part.read_bytes()
    part.unlink()
    run(tmp_path, "grid=none", "module=attn")
    assert "1 of 2 parts are done already" in capsys.readouterr().err
    assert part.read_bytes() == before
    assert cli.main(["run", *FEW, f"output_root={tmp_path}", "grid=none", "--dry-run"]) == 0
    plan = " ".join(capsys.readouterr().out.split())
    assert "module untouched" in plan and "parts done 2 of 2" in plan
    assert "source prompt" in plan and " 0 source, " in plan


def test_samples_equal_the_naive_sampler(study: Path, model: Model) -> None:
    (samples,) = (one for one in xt.load_runs(study).runs if not one.identity.is_experiment)
    assert samples.folder.path.parent.name == "untouched"
    rows = samples.folder.read_generations().set_index(["language", "instance_id", "source_layer"])
    different = 0
    for instance in samples.folder.read_instances():
        seed = CONTROLS["samples"].sources(Inputs({"x": [instance]}, 0, [], list))["x"][0].draw_seed
        assert instance.draw_seed == seed and seed is not None
        target = model.tokenizer(instance.target)["input_ids"]
        for cell in (Cell(0, 0), Cell(5, 2), Cell(2, 5)):
            tokens = oracle.sample(model, target, 20, seed=seed, cell=cell)
            found = rows.text[instance.language, instance.id, cell.source_layer]
            assert found == decoded(model, tokens)
            different += found != rows.text[instance.language, instance.id, pd.NA]
    assert different


def test_two_shards_draw_the_same(study: Path, tmp_path: Path) -> None:
    for index in (1, 0):
        run(
            tmp_path,
            *PAIRS,
            "control=samples",
            "module=block",
            f"shard.index={index}",
            "shard.count=2",
        )
    (samples,) = (one for one in xt.load_runs(study).runs if not one.identity.is_experiment)
    both = xt.load_runs(tmp_path).generations
    assert both.text.tolist() == samples.folder.read_generations().text.tolist()
    assert set(both.key) == {samples.folder.key}


def test_a_temperature_and_a_seed_make_other_samples(study: Path, tmp_path: Path) -> None:
    (samples,) = (one for one in xt.load_runs(study).runs if not one.identity.is_experiment)
    keys = {samples.folder.key}
    for setting in ("decode.temperature=0.5", "seed=1"):
        run(tmp_path, *PAIRS, "control=samples", setting)
        others = [one for one in xt.load_runs(tmp_path).runs if one.folder.key not in keys]
        (other,) = others
        keys.add(other.folder.key)
        assert other.folder.read_generations().text.tolist() != (
            samples.folder.read_generations().text.tolist()
        )


def test_a_report_pairs_samples_with_every_module(study: Path, tmp_path: Path) -> None:
    assert cli.main(["report", str(study), "--out", str(tmp_path)]) == 0
    bounds = pd.read_csv(tmp_path / "T2_upper_bounds.csv")
    paired = bounds[bounds.control == "samples"]
    assert set(paired.module) == {"attn", "mlp"}
    overview = (tmp_path / "report.md").read_text()
    assert "- pocket (dev), pocket, untouched, 0 cells" in overview
    assert "- pocket (dev), pocket, untouched, control samples, 3 cells" in overview
    answers = pd.read_csv(tmp_path / "answers.csv").set_index("cells")
    assert answers.cut_off[0].isna().all() and answers.baseline_cut_off[0].notna().all()


def test_the_page_puts_samples_beside_every_module(study: Path) -> None:
    views = [view for one in xt.load_runs(study).runs for view in views_of(one, Texts())]
    assert {view["module"] for view in views} == {"attn", "mlp", "untouched"}
    assert len({view["any_module"] for view in views}) == 1
    assert len({view["setting"] for view in views}) == 3


def test_the_untouched_model_alone_makes_a_report(tmp_path: Path) -> None:
    run(tmp_path / "runs", "grid=none")
    assert cli.main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "report")]) == 0
    assert "untouched, 0 cells" in (tmp_path / "report/report.md").read_text()


def test_a_check_of_samples_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for setting, said in (
        ("control=samples", "control=samples has no effect on check"),
        ("grid=none", "grid=none has no cells"),
    ):
        assert cli.main(["check", setting]) == 2
        assert said in capsys.readouterr().err


PROMPTS = [
    {
        **{"id": f"q{n}", "language": "fr", "gold": "A", "options": ["(A)", "(B)", "(C)"]},
        **{"source": f"Which is {n}? (A), (B) or (C)", "target": f"Lequel est {n} ? (A), (B), (C)"},
    }
    for n in range(12)
]


def test_options_are_drawn_and_drawn_again_from_stored_rows(tmp_path: Path) -> None:
    (tmp_path / "my.jsonl").write_text("\n".join(map(json.dumps, PROMPTS)))
    given = ["task=prompts", f"task.file={tmp_path / 'my.jsonl'}", "grid=full", "split=all"]
    overrides = [*given, "control=samples", "task.scorer=[logprob,option]"]
    assert cli.main(["run", *overrides, f"output_root={tmp_path}"]) == 0
    (samples,) = xt.load_runs(tmp_path).runs
    rows = samples.folder.read_generations()
    instances = {one.id: one for one in samples.folder.read_instances()}
    shares = {key: 0.0 for key in "ABC"}
    for id, of_instance in rows.groupby("instance_id"):
        baseline, *tries = of_instance.itertuples()
        assert baseline.answer == "ABC"[int(np.argmax(baseline.option_logprobs))]
        p = np.exp(np.asarray(baseline.option_logprobs, np.float64))
        p /= p.sum()
        for row in tries:
            assert row.option_logprobs == pytest.approx(baseline.option_logprobs, abs=1e-4)
            counter = f"{instances[id].draw_seed} {row.source_layer},{row.target_layer} option"
            u = int(hashlib.sha256(counter.encode()).hexdigest()[:13], 16) / 16**13
            assert row.answer == "ABC"[int(np.searchsorted(p.cumsum(), u, side="right"))]
        for key, share in zip("ABC", p, strict=True):
            shares[key] += share * len(tries)
    drawn = rows[rows.source_layer.notna()].answer.value_counts()
    assert stats.chisquare([drawn[key] for key in "ABC"], [*shares.values()]).pvalue > 0.001
    assert cli.main(["rescore", str(samples.folder.path), "scorer=option"]) == 0
    assert samples.folder.read_generations().answer.tolist() != rows.answer.tolist()
    assert cli.main(["rescore", str(samples.folder.path), "scorer=logprob"]) == 0
    assert samples.folder.read_generations().answer.tolist() == rows.answer.tolist()
