"""Whole runs of the pocket model: files, resuming, and every mistake that a run can meet."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

import xtransplant as xt
from xtransplant.cli import app as cli
from xtransplant.engine import oracle
from xtransplant.engine.transplant import transplant_all
from xtransplant.models.families import Model
from xtransplant.types import Cell, ModuleType

POCKET = Path(xt.__file__).parent / "assets" / "pocket"
SMALL = ["languages=[sw,de]", "limit=12", "grid=pairs", "grid.pairs=[[2,1],[-1,0],[4,4]]"]
CELLS = [Cell(2, 1), Cell(7, 0), Cell(4, 4)]


@pytest.fixture(scope="module")
def model() -> Model:
    return xt.load_model("assets/pocket", distribution="xtransplant")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # A few cells would give one large part; these tests are about several.
    monkeypatch.setattr("xtransplant.runner.plan.ROWS_PER_PART", 0)
    return tmp_path


def run(*arguments: str) -> None:
    assert cli.main(["run", *SMALL, *arguments]) == 0


def only_run() -> Path:
    (manifest,) = Path("outputs").rglob("manifest.json")
    return manifest.parent


def questions(language: str) -> list[dict[str, str]]:
    lines = (POCKET / "task" / "dev" / f"{language}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[:12]]


def test_a_run_from_start_to_finish(here: Path, model: Model, capsys) -> None:
    run()
    out = capsys.readouterr().out
    assert f"results: {only_run()}" in out
    folder = only_run()
    assert folder.parent == Path("outputs/pocket/pocket/mlp")
    parts = sorted(path.name for path in (folder / "generations").iterdir())
    assert parts == [f"{lang}-000{block}.parquet" for lang in ("de", "sw") for block in (0, 1)]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (manifest["status"], manifest["key"]) == ("done", folder.name)
    assert manifest["config"]["limit"] == 12
    assert manifest["timings"].keys() == {"load", "transplant"}

    rows = pd.read_parquet(folder / "generations")
    assert len(rows) == 2 * 12 * (len(CELLS) + 1)
    baselines = rows[rows.source_layer.isna()]
    assert len(baselines) == 24 and baselines.target_layer.isna().all()
    for question in questions("sw")[:3]:
        mine = rows[(rows.language == "sw") & (rows.instance_id == question["id"])]
        source, target = (
            model.tokenizer(question[side])["input_ids"] for side in ("source", "target")
        )
        for cell in CELLS:
            got = mine[(mine.source_layer == cell.source_layer)]
            tokens = oracle.transplant_cell(model, source, target, ModuleType.MLP, cell, 20)
            assert got.text.item() == model.tokenizer.decode(tokens, skip_special_tokens=True)
            assert got.correct.item() == (got.text.item() == question["gold"])
            assert got.n_tokens.item() == len(tokens)

    right = rows.dropna(subset="source_layer").groupby(["language", "source_layer"]).correct.sum()
    pairs = pd.read_parquet(folder / "pairs.parquet").set_index(["language", "source_layer"])
    assert pairs.n_correct.to_dict() == right.to_dict()
    assert set(pairs.n) == {12}
    bound = rows.dropna(subset="source_layer").groupby(["language", "instance_id"]).correct.any()
    instances = pd.read_parquet(folder / "instances.parquet")
    found = instances.set_index(["language", "instance_id"]).upper_bound_correct
    assert found.to_dict() == bound.to_dict()
    sw = instances[instances.language == "sw"]
    assert sw.gold.tolist() == [question["gold"] for question in questions("sw")]
    macro = bound.groupby("language").mean()
    assert all(f"{100 * share:.1f} %" in out for share in macro)


def test_a_second_start_does_the_missing_part_only(here: Path, capsys) -> None:
    run()
    parts = sorted((only_run() / "generations").iterdir())
    first = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in parts}
    run()
    assert "4 of 4 parts are done already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in parts} == {
        p: t for p, (t, _) in first.items()
    }
    parts[1].unlink()
    run()
    assert "3 of 4 parts are done already" in capsys.readouterr().err
    again = {path: path.stat().st_mtime_ns for path in parts}
    assert [path for path in parts if again[path] != first[path][0]] == [parts[1]]
    assert pq.read_table(parts[1]).equals(pq.read_table(Path(parts[1])))
    assert parts[1].read_bytes() == first[parts[1]][1]


def test_shards_share_the_parts_and_the_last_one_sums_up(here: Path, capsys) -> None:
    run("shard.index=0", "shard.count=2")
    assert "2 of 4 parts are left to other processes" in capsys.readouterr().err
    assert not (only_run() / "pairs.parquet").exists()
    run("shard.index=1", "shard.count=2", "rows_per_batch=1")
    assert (only_run() / "pairs.parquet").exists()
    halves = pd.read_parquet(only_run() / "generations")
    run("output_root=whole")
    (whole,) = Path("whole").rglob("generations")
    pd.testing.assert_frame_equal(halves, pd.read_parquet(whole))


def test_what_changes_results_changes_the_folder(here: Path) -> None:
    run()
    run("limit=11")
    run("module=attn", "rows_per_batch=2")
    run("rows_per_batch=2", "languages=[tr]")
    folders = {path.parent for path in Path("outputs").rglob("manifest.json")}
    assert len(folders) == 3
    runs = xt.load_runs("outputs")
    assert set(runs.pairs.module) == {"attn", "mlp"}
    assert set(runs.instances.language) == {"de", "sw", "tr"}


def test_dry_run_writes_nothing(here: Path, capsys) -> None:
    run("--dry-run")
    out = capsys.readouterr().out
    assert list(here.iterdir()) == []
    rows = dict(line.split("  ", 1) for line in out.splitlines() if "  " in line)
    plan = {label.strip(): value.strip() for label, value in rows.items()}
    assert plan["instances"] == "sw 12, de 12"
    assert plan["cells"] == "3 of 8²"
    assert plan["rows"] == "96, baselines included"
    assert plan["parts done"] == "0 of 4"
    assert plan["detectable gain"].startswith("sw, de (n = 12) ")
    assert "points if 2 % are lost, " in plan["detectable gain"]
    assert questions("sw")[0]["target"] in out
    run()
    run("--dry-run")
    assert "4 of 4" in capsys.readouterr().out


def test_culture_direction_swaps_the_prompts(here: Path, capsys) -> None:
    run("direction=x_to_en", "limit=1")
    rows = pd.read_parquet(only_run() / "generations")
    assert set(rows.target_language) == {"en"}
    assert set(rows.source_language) == {"sw", "de"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grid.pairs=[[8,0]]"], "layer 8"),
        (["grid.pairs=[[0,-9]]"], "layer -9"),
        (["decode.max_new_tokens=5000"], "context is"),
        (["task=xnli", "task.id=./nowhere"], "no folder at './nowhere'"),
        (["task=xnli", "task.data_dir=nowhere"], "no folder at task.data_dir="),
        (["task=pocket", "task.data_dir=nowhere"], "no folder at task.data_dir='nowhere'"),
        (["task=pocket", "task.data_dir=~/nowhere"], f"no folder at task.data_dir='{Path.home()}"),
        (["model=hf", "model.id=./nowhere"], "nowhere"),
        (["output_root=/dev/null/outputs"], "/dev/null/outputs"),
        (["device=cuda:99"], "cuda:99"),
    ],
)
def test_a_mistake_that_a_run_meets_is_one_line(
    here: Path, capsys, arguments: list[str], message: str
) -> None:
    overrides = SMALL[2:] if arguments[0].startswith("task") else SMALL
    assert cli.main(["run", *overrides, *arguments]) == 2
    err = capsys.readouterr().err.strip().removeprefix("data: pocket world, MIT\n")
    assert err.startswith("error: ") and message in err and "\n" not in err
    left = [path for path in here.rglob("[!.]*") if path.is_file() and path.name != "manifest.json"]
    assert left == []


@pytest.mark.parametrize("side", ["source", "target"])
def test_nan_activations_are_named_by_layer_and_instance(
    here: Path, model: Model, capsys, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    # Finite weights can have such activations too; those that are not finite are refused at load.
    monkeypatch.setattr("xtransplant.engine.load_model.require_finite_weights", lambda model: None)
    broken = here / "broken"
    broken.mkdir()
    for path in POCKET.iterdir():
        if path.is_file():
            (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(broken / "model.safetensors")
    # A token of one question only, so that the check at load and other questions stay finite; with
    # an unembedding of its own, or no logit would.
    config = json.loads((broken / "config.json").read_text("utf-8"))
    config["tie_word_embeddings"] = False
    (broken / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    asked = [set(model.tokenizer(question[side])["input_ids"]) for question in questions("sw")]
    (token, *_) = asked[4] - set().union(*asked[:4], *asked[5:])
    weights["model.embed_tokens.weight"][token] = torch.nan
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    status = cli.main(["run", "languages=[sw]", "model=hf", f"model.id={broken}", "limit=12"])
    err = capsys.readouterr().err.strip().splitlines()[-1]
    assert status == 2
    # A name in the target prompt also stands in the source prompt, which is read first.
    assert f"instance {questions('sw')[4]['id']} (sw): source prompt: NaN or infinite" in err
    assert "layer 0" in err
    (manifest,) = Path("outputs").rglob("manifest.json")
    content = json.loads(manifest.read_text("utf-8"))
    assert content["status"] == "failed" and "NaN" in content["reason"]


def test_parts_hold_more_instances_where_each_has_few_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "languages=[sw]", "limit=45", "grid=first_to_first"]) == 0
    assert cli.main(["run", "languages=[sw]", "limit=45", "grid.stride=4"]) == 0
    parts = [Path(path).name for path in Path("outputs").rglob("generations/sw-*.parquet")]
    # 1 cell: at least 200 / 2 = 100 instances a part; 4 cells: 200 / 5 = 40.
    assert sorted(parts) == ["sw-0000.parquet", "sw-0000.parquet", "sw-0001.parquet"]
    rows = {
        len(pd.read_parquet(path)) for path in Path("outputs").rglob("generations/sw-*.parquet")
    }
    assert rows == {45 * 2, 40 * 5, 5 * 5}


@pytest.mark.parametrize(("asked", "given"), [((), None), (("rows_per_batch=3",), 3)])
def test_the_engine_chooses_its_batches_unless_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], given: int | None
) -> None:
    seen = set()

    def spy(model: Model, requests: Any, new_tokens: int, rows_per_batch: int | None) -> Any:
        seen.add(rows_per_batch)
        return transplant_all(model, requests, new_tokens, rows_per_batch)

    monkeypatch.setattr("xtransplant.runner.part_worker.transplant_all", spy)
    run(*asked)
    assert seen == {given}


def own_prompts(here: Path, **changes: object) -> list[str]:
    """Write a file of eleven prompts with options; return the arguments of a run on it."""
    target = "Jina la (A) mti (B) bahari"
    row = {"language": "sw", "source": target, "target": target, "gold": "A"} | changes
    rows = [json.dumps(row | {"id": str(number)}) + "\n" for number in range(11)]
    (here / "own.jsonl").write_text("".join(rows), "utf-8")
    return ["task=prompts", "task.file=own.jsonl", "languages=[sw]", "limit=null"]


@pytest.mark.parametrize("options", [["(A)", "(B)"], None])
@pytest.mark.parametrize("asked", [(), ("rows_per_batch=7",)])
def test_the_manifest_tells_how_many_rows_ran_together(
    here: Path, model: Model, monkeypatch: pytest.MonkeyPatch, options: Any, asked: tuple[str, ...]
) -> None:
    ran = []
    layer = type(model.layers[0])
    forward = layer.forward

    def counting(self: Any, hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.self_attn.layer_idx == model.n_layers - 1 and hidden.shape[1] == 1:
            ran.append(len(hidden))
        return forward(self, hidden, *args, **kwargs)

    monkeypatch.setattr(layer, "forward", counting)
    # What loading checks is no work of the run.
    monkeypatch.setattr("xtransplant.engine.load_model.require_agreement", lambda *_: None)
    run(*own_prompts(here, options=options), *asked)
    found = json.loads((only_run() / "manifest.json").read_text("utf-8"))["rows_per_batch"]
    assert found == max(ran)
    assert bool(asked) == (found < 11)


def test_prompts_that_end_in_a_space_are_told_with_their_number(here: Path, capsys) -> None:
    run(*own_prompts(here, target="Jina la: "))
    told = "data: prompts that end in a space: sw 11; most tokenizers join a space with the word"
    assert told in " ".join(capsys.readouterr().err.split())
    run(*own_prompts(here, source="Jina la:\u00a0", target="Jina la:\n"))
    assert "end in a space: sw 11" in capsys.readouterr().err
    run(*own_prompts(here, source="Jina la:", target="Jina la:\n"))
    assert "end in a space" not in capsys.readouterr().err


def test_data_that_lost_something_is_named_by_file_and_line(here: Path, capsys) -> None:
    data = here / "XNLI_sample"
    prompt = "Is it so? (1) yes (2) maybe (3) no"
    for folder, lines in {
        "split": [prompt, prompt],
        "ans": ["1", "2"],
        "ans_lang": None,
    }.items():
        (data / folder).mkdir(parents=True)
        for language in ("en", "fr"):
            text = "".join(json.dumps(line) + "\n" for line in lines or [])
            if lines is None:
                text = json.dumps({"1": "yes", "2": "maybe", "3": "no"})
            (data / folder / f"{language}.json").write_text(text, encoding="utf-8")
    french = data / "split" / "fr.json"
    arguments = [
        "run",
        "task=xnli",
        f"task.data_dir={data}",
        "languages=[fr]",
        "grid=first_to_first",
    ]
    # The pocket model knows none of these words, but it can read them.
    assert cli.main(arguments) == 0
    capsys.readouterr()
    whole = french.read_text("utf-8")
    for content, message in {
        whole.replace("(2)", "", 1): "fr.json:1: option marker (2) is missing",
        json.dumps(prompt) + "\n{oops\n": "fr.json:2: not valid JSON",
        json.dumps(prompt) + '\n"  "\n': "fr.json:2: empty prompt",
        json.dumps(prompt) + "\n": "fr.json:1: ends after 1 lines",
    }.items():
        french.write_text(content, encoding="utf-8")
        assert cli.main(arguments) == 2
        err = capsys.readouterr().err.strip()
        assert message in err and "\n" not in err


def test_labels_and_further_answers_of_own_prompts(here: Path, capsys) -> None:
    rows = [
        {"id": str(n), "language": "sw", "source": "Who?", "target": "Nani?", "gold": "x"} | more
        for n, more in enumerate(({"category": "CS", "aliases": ["y"]}, {}))
    ]
    Path("mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["run", "task=prompts", "task.file=mine.jsonl", "grid=first_to_first"]
    assert cli.main(arguments) == 0
    assert (
        "aliases (other right answers) do not count for paper; they do for exact_match"
        in capsys.readouterr().err
    )
    assert cli.main(["run", "languages=[sw]", "limit=1", "grid=first_to_first"]) == 0
    instances = xt.load_runs("outputs").instances.set_index(["task", "instance_id"])
    labels = instances.category.dropna()
    assert labels.to_dict() == {("prompts", "0"): "CS"} and len(instances) == 3
    assert "category" not in xt.load_runs("outputs/pocket").instances
    assert cli.main([*arguments, "task.scorer=exact_match", "output_root=others"]) == 0
    assert "aliases" not in capsys.readouterr().err


@pytest.mark.parametrize("key", ["control=noise", "dry_run=true"])
def test_check_refuses_what_it_would_not_do(key: str, here: Path, capsys) -> None:
    assert cli.main(["check", key]) == 2
    assert capsys.readouterr().err.startswith(f"error: {key} has no effect on check")


def test_check_and_try_on_the_pocket_model(here: Path, capsys) -> None:
    assert cli.main(["check", "languages=[sw]", "--cells", "4", "--modules", "attn,mlp"]) == 0
    assert "identical, token for token" in capsys.readouterr().out
    question = questions("sw")[0]
    prompts = ["--source", question["source"], "--target", question["target"]]
    assert cli.main(["try", "--model", "pocket", *prompts, "--cell", "4,2"]) == 0
    assert "4→2" in capsys.readouterr().out
    assert cli.main(["try", "--model", "pocket", "--source", "", "--target", "wapi ?"]) == 2
    assert "empty prompt" in capsys.readouterr().err
