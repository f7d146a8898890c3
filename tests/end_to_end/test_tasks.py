"""A run on each task, from rows in the hub's layout or the authors' files to `pairs.parquet`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import hub_folders
import pandas as pd
import pytest
import yaml
from tiny_checkpoint import VOCABULARY, save_llama
from tiny_translator import save_translator

from xtransplant.cli import app as cli
from xtransplant.config.compose import conf_dir
from xtransplant.runner import plan

GRID = ["grid=pairs", "grid.pairs=[[0,0],[-1,0]]", "decode.max_new_tokens=3"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A checkpoint of kilobytes whose context holds a passage spelt in bytes."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save_llama(folder, max_position_embeddings=16384)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(tmp_path / "xtransplant-cache"))
    return tmp_path


def run(model: Path, *overrides: str, command: str = "run") -> int:
    return cli.main([command, "model=hf", f"model.id={model}", *GRID, *overrides])


def results() -> tuple[dict, pd.DataFrame]:
    (manifest,) = Path("outputs").rglob("manifest.json")
    return json.loads(manifest.read_text("utf-8")), pd.read_parquet(
        manifest.parent / "pairs.parquet"
    )


HUB_RUNS = {
    "xnli": (hub_folders.xnli, "fr"),
    "xquad": (hub_folders.xquad, "ro"),
    "xcopa": (hub_folders.xcopa, "qu"),
    "mkqa": (hub_folders.mkqa, "zh_tw"),
    "globalopinionqa": (hub_folders.opinions, "en"),
    "culturalbench_easy": (hub_folders.culture, "tr"),
    "culturalbench_hard": (hub_folders.culture, "ja"),
    "belebele": (hub_folders.belebele, "sw"),
    "global_mmlu": (hub_folders.global_mmlu, "fil"),
}


def test_every_hub_task_is_run_here():
    tasks = {path.stem for path in (conf_dir() / "task").glob("*.yaml")}
    assert tasks == set(HUB_RUNS) | {"pocket", "prompts"}


@pytest.mark.parametrize("task", HUB_RUNS)
def test_a_run_from_the_hubs_layout(here, model, capsys, task):
    write, language = HUB_RUNS[task]
    entry = yaml.safe_load((conf_dir() / "task" / f"{task}.yaml").read_text("utf-8"))
    folder = write(here / "data", *([entry["languages"]] if task == "mkqa" else []))
    limit = 4 if task == "culturalbench_hard" else 2  # whole questions of four statements
    overrides = [f"task={task}", f"task.id={folder}", f"languages=[{language}]", f"limit={limit}"]
    if task == "xcopa":
        overrides.append(f"task.pivot_id={hub_folders.copa(here / 'copa')}")
    if task.startswith("culturalbench"):
        overrides.append(f"translation.model={save_translator(here / 'translator')}")
        overrides.append("translation.max_new_tokens=40")
        assert run(model, *overrides, command="translate") == 0
    assert run(model, *overrides) == 0
    assert f"data: {entry['licence']}" in capsys.readouterr().err
    manifest, pairs = results()
    assert manifest["status"] == "done"
    assert manifest["data"]["licence"] == entry["licence"]
    assert manifest["data"]["machine_translated"] == task.startswith("culturalbench")
    columns = pairs[["language", "source_layer", "target_layer", "n"]]
    assert columns.to_numpy().tolist() == [
        [language, 0, 0, limit],
        [language, 2, 0, limit],
    ]


def test_statements_of_a_question_stay_together(here, model, capsys, monkeypatch):
    monkeypatch.setattr(plan, "INSTANCES_PER_PART", 3)
    monkeypatch.setattr(plan, "ROWS_PER_PART", 3)
    folder = hub_folders.culture(here / "data", n=8)
    overrides = ["task=culturalbench_hard", f"task.id={folder}", "languages=[ja]", "split=all"]
    overrides.append(f"translation.model={save_translator(here / 'translator')}")
    overrides.append("translation.max_new_tokens=40")
    assert run(model, *overrides, command="translate") == 0
    assert run(model, *overrides, "limit=10") == 0
    parts = sorted(Path("outputs").rglob("generations/*.parquet"))
    ids = [sorted(set(pd.read_parquet(path).instance_id)) for path in parts]
    questions = [{name.rpartition("-")[0] for name in names} for names in ids]
    assert [len(names) for names in ids] == [4, 4]  # the limit would cut the third question
    assert [len(names) for names in questions] == [1, 1]
    assert run(model, *overrides, "limit=3") == 2
    assert "limit 3 splits a question of 4 instances" in capsys.readouterr().err


AUTHORS_RUNS = {"xnli": "sw", "xquad": "zh", "xcopa": "et", "globalopinionqa": "ar"}


@pytest.mark.parametrize("task", AUTHORS_RUNS)
def test_a_run_on_the_authors_data(here, model, reference, capsys, task):
    language = AUTHORS_RUNS[task]
    overrides = [f"task={task}", f"task.data_dir={reference / 'data'}", f"languages=[{language}]"]
    assert run(model, *overrides, "limit=2") == 0
    manifest, pairs = results()
    assert manifest["status"] == "done" and set(pairs.n) == {2}
    lost = manifest["data"]["lost_markers"]
    shown = "data: prompts that lost option markers: ar 2 (ids in the manifest)"
    if task == "globalopinionqa":  # all Arabic prompts there have Arabic letters
        assert lost == {"ar": ["globalopinionqa-sample-0001", "globalopinionqa-sample-0002"]}
        assert shown in capsys.readouterr().err
        assert run(model, *overrides, "limit=2", "task.lost_markers=drop") == 2
        assert "has no instances in 'ar'; 50 were dropped for lost markers" in (
            capsys.readouterr().err
        )
        assert run(model, *overrides, "limit=2", "task.lost_markers=refuse") == 2
        assert (
            "GlobalOpinionQA_sample/translated/ar.json:1: option marker (A) is missing from the "
            "source prompt; add it, or set task.lost_markers=keep or =drop"
        ) in capsys.readouterr().err
    else:
        assert lost == {} and shown not in capsys.readouterr().err


def test_all_languages_of_the_authors_sample(here, model, reference, capsys):
    """Thai is a language of the task, but not of their sample."""
    arguments = ["task=xnli", f"task.data_dir={reference / 'data'}", "limit=1", "dry_run=true"]
    assert run(model, *arguments) == 0
    out = capsys.readouterr().out
    assert "zh 1" in out and "th 1" not in out


def test_the_dry_run_shows_what_is_asked(here, model, capsys):
    folder = hub_folders.xnli(here / "data")
    run(model, "task=xnli", f"task.id={folder}", "languages=[fr]", "limit=1", "dry_run=true")
    out = capsys.readouterr().out
    assert "Prémisse : fr premise" in out and "Premise: en premise" in out
    first, last = VOCABULARY["H"], VOCABULARY[":"]
    assert f"\nfirst and last ids  {first} " in out and f" {last} (" in out


def test_own_prompts(here, model, capsys):
    rows = [
        {"id": str(n), "language": "sw", "source": "Ask?", "target": "Uliza?", "gold": "x"}
        for n in range(3)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path("my.jsonl").write_text(lines, "utf-8")
    assert run(model, "task=prompts", "task.file=my.jsonl", "limit=2") == 0
    _, pairs = results()
    assert set(pairs.language) == {"sw"} and set(pairs.n) == {2}
    Path("my.jsonl").write_text(lines + lines, "utf-8")
    assert run(model, "task=prompts", "task.file=my.jsonl") == 2
    assert "error: my.jsonl:4: id '0' of language 'sw' is also in line 1" in capsys.readouterr().err


OFFLINE = """
import os, sys
from xtransplant.cli import app as cli
sys.exit(cli.main(sys.argv[1:]))
"""


def test_prepare_then_run_without_a_network(here, model):
    """A cold cache, the hub's own layout, and processes of their own."""
    folder = hub_folders.xnli(here / "data")
    arguments = [
        *("model=hf", f"model.id={model}", "task=xnli", f"task.id={folder}", *GRID),
        *("languages=[fr]", "limit=2"),
    ]

    def called(command: str, offline: str) -> subprocess.CompletedProcess:
        environment = {
            **os.environ,
            "HF_HOME": str(here / "hf"),
            "HF_DATASETS_CACHE": str(here / "hf" / "datasets"),
            "HF_HUB_OFFLINE": offline,
        }
        return subprocess.run(
            [sys.executable, "-c", OFFLINE, command, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    prepared = called("prepare", "0")
    assert prepared.returncode == 0, prepared.stderr
    assert "sha256:" in prepared.stdout and "XNLI, CC BY-NC 4.0" in prepared.stdout
    assert list((here / "hf" / "datasets").rglob("*.arrow"))
    assert not Path("outputs").exists()
    done = called("run", "1")
    assert done.returncode == 0, done.stderr
    assert set(results()[1].n) == {2}
