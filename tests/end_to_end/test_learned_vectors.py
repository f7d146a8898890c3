"""Means and differences learned from the selection split, beside the oracle's own."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import xtransplant as xt
from xtransplant.cli import app as cli
from xtransplant.config.compose import compose
from xtransplant.config.intervention import Intervention
from xtransplant.engine import oracle
from xtransplant.models.families import Model
from xtransplant.runner import learned
from xtransplant.runner.plan import make_plan
from xtransplant.store import leases
from xtransplant.store.cluster_sums import ClusterSums, read_sums, write_sums
from xtransplant.store.leases import Holder
from xtransplant.types import Cell, Instance, ModuleType

CELLS = [Cell(0, 0), Cell(5, 2)]
SMALL = ("languages=[de,sw]", "limit=12", "grid=pairs", "grid.pairs=[[0,0],[5,2]]")
MEAN = ("control=mean",)
STEER = ("intervention=steer", "intervention.alpha=2", "module=block")
HOW = {MEAN: Intervention(), STEER: Intervention("add", 2.0, "difference", "every")}


@pytest.fixture(scope="module")
def model() -> Model:
    return xt.load_model("assets/pocket", distribution="xtransplant")


def run(folder: Path, *overrides: str) -> int:
    return cli.main(["run", *SMALL, f"output_root={folder}", *overrides])


def rows_of(folder: Path) -> pd.DataFrame:
    rows = xt.load_runs(folder).generations
    names = ["language", "instance_id", "source_layer", "target_layer"]
    return rows.sort_values(names).reset_index(drop=True).drop(columns="key")


@pytest.fixture(scope="module", params=[MEAN, STEER], ids=["mean", "difference"])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("done")
    assert run(folder, *request.param) == 0
    return folder, request.param


def selection(language: str) -> list[Instance]:
    """Return the whole selection split, read without the package's loaders."""
    path = Path(xt.__file__).parent / f"assets/pocket/task/dev/{language}.jsonl"
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [
        Instance(row["id"], language, "en", language, row["source"], row["target"], row["gold"])
        for row in rows
    ]


def ids(model: Model, text: str) -> Sequence[int]:
    found: Sequence[int] = model.tokenizer(text)["input_ids"]
    return found


def vector(
    model: Model, others: Sequence[Instance], given: Sequence[str], layer: int
) -> torch.Tensor:
    """Return the oracle's own vector, from all questions but one."""
    module = ModuleType.BLOCK if given == STEER else ModuleType.MLP
    mean = oracle.mean_activation(model, [ids(model, one.source) for one in others], module, layer)
    if given == MEAN:
        return mean
    return mean - oracle.mean_activation(
        model, [ids(model, one.target) for one in others], module, layer
    )


def test_rows_and_file_are_those_of_the_oracle(
    done: tuple[Path, tuple[str, ...]], model: Model
) -> None:
    folder, given = done
    rows = rows_of(folder).set_index(["language", "instance_id", "source_layer"])
    manifest = json.loads(next(folder.rglob("manifest.json")).read_text())
    changed = 0
    everything = selection("sw")
    sums, fault = read_sums(
        folder / ".vectors" / f"{manifest['data']['vectors']['sw']}.safetensors"
    )
    assert fault is None and sums and sums.counts.sum() == len(everything) == 50
    module = ModuleType.BLOCK if given == STEER else ModuleType.MLP
    for one in everything[:2]:
        others = [other for other in everything if other.id != one.id]
        for cell in CELLS:
            own = vector(model, others, given, cell.source_layer)
            ours = sums.mean_without(one.id)[cell.source_layer]
            assert np.abs(ours - own.numpy()).max() < 1e-5 * max(1, np.abs(ours).max())
            write = oracle.Write(module, cell.target_layer, own.float(), HOW[given])
            tokens = oracle.generate(model, ids(model, one.target), 20, write)
            text = model.tokenizer.decode(tokens, skip_special_tokens=True)
            assert rows.text["sw", one.id, cell.source_layer] == text
            changed += text != rows.text["sw", one.id, pd.NA]
    assert changed


def test_shards_and_a_continued_run_give_the_rows_of_one_process(
    done: tuple[Path, tuple[str, ...]], tmp_path: Path
) -> None:
    folder, given = done
    for index in (1, 0):
        assert run(tmp_path / "shards", *given, f"shard.index={index}", "shard.count=2") == 0
    assert rows_of(tmp_path / "shards").equals(rows_of(folder))
    files = [*(tmp_path / "shards/.vectors").glob("*.safetensors")]
    assert files and not [*(tmp_path / "shards/.vectors/.leases").glob("[!.]*")]
    times = [path.stat().st_mtime_ns for path in files]
    next((tmp_path / "shards").rglob("generations/sw-*.parquet")).unlink()
    assert run(tmp_path / "shards", *given) == 0
    assert rows_of(tmp_path / "shards").equals(rows_of(folder))
    assert [path.stat().st_mtime_ns for path in files] == times


def test_neither_limit_nor_split_nor_languages_change_what_is_learned(
    done: tuple[Path, tuple[str, ...]],
) -> None:
    _, given = done
    plans = [
        make_plan(compose([*SMALL, *given, *more]))
        for more in (
            [],
            ["limit=3"],
            ["split=test"],
            ["languages=[sw]"],
            ["module=attn"],
            ["seed=3"],
        )
    ]
    digests = [plan.data["vectors"]["sw"] for plan in plans]
    assert len({*digests[:4], digests[5]}) == 1 and digests[4] != digests[0]
    keys = [plan.key for plan in plans]
    assert keys[3] == keys[5] == keys[0] and len(set(keys)) == 4
    lessons = [plan.learned.lessons["sw"] for plan in plans if plan.learned]
    assert len(lessons) == 6 and lessons[1].ids == tuple(sorted(one.id for one in selection("sw")))


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "other", "name"])
def test_a_damaged_file_is_named_and_made_again(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (*MEAN, "languages=[sw]", "limit=2")
    assert run(tmp_path, *given) == 0
    before = rows_of(tmp_path)
    (path,) = (tmp_path / ".vectors").glob("*.safetensors")
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:middle],
            "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
            "other": b"no safetensors at all",
            "name": content.replace(b"baraka-horse", b"baraka-house"),
        }[damage]
    )
    next(tmp_path.rglob("generations/sw-*.parquet")).unlink()
    capsys.readouterr()
    assert run(tmp_path, *given) == 0
    said = capsys.readouterr().err
    assert f"{path} is " in said and said.count("it is made again") == 1
    assert path.read_bytes() == content and rows_of(tmp_path).equals(before)


def test_a_killed_writer_leaves_nothing_that_blocks(tmp_path: Path) -> None:
    script = (
        "import os, sys; from xtransplant.cli import app; from xtransplant import files\n"
        "real = os.replace\n"
        "def replace(a, b):\n"
        "    if str(b).endswith('.safetensors'): os.kill(os.getpid(), 9)\n"
        "    real(a, b)\n"
        "files.os.replace = replace\n"
        "app.main(sys.argv[1:])"
    )
    given = ["run", *SMALL, *MEAN, "languages=[sw]", "limit=2", f"output_root={tmp_path}"]
    killed = subprocess.run([sys.executable, "-c", script, *given], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    vectors = tmp_path / ".vectors"
    assert [*vectors.glob(".*.tmp")] and not [*vectors.glob("*.safetensors")]
    assert [*(vectors / ".leases").glob("[!.]*")]
    assert cli.main(given) == 0
    assert not [*vectors.glob(".*.tmp")] and len([*vectors.glob("*.safetensors")]) == 1
    assert not [*(vectors / ".leases").glob("[!.]*")]


def test_another_process_that_makes_them_is_waited_for(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "SECONDS_BETWEEN_LOOKS", 0.05)
    lesson = learned.Lesson(("a", "b"), ("a", "b"), (((5, 6), None), ((7, 8), None)), "digest")
    path = tmp_path / ".vectors/digest.safetensors"
    folder = path.parent / ".leases"
    folder.mkdir(parents=True)
    (folder / "digest").write_text(json.dumps(asdict(Holder(host="elsewhere", pid=1))))
    theirs = ClusterSums(("a", "b"), np.array([1, 1]), np.zeros((2, 8, 4)))

    def other() -> None:
        time.sleep(0.3)
        write_sums(path, theirs)

    thread = threading.Thread(target=other)
    thread.start()
    found = learned.learned_sums(tmp_path, lesson, model, ModuleType.MLP, print)
    thread.join()
    assert found.sums.shape == (2, 8, 4) and not found.sums.any()
    # One that falls silent loses the lease.
    path.unlink()
    old = time.time() - leases.STALE_AFTER - 5
    os.utime(folder / "digest", (old, old))
    found = learned.learned_sums(tmp_path, lesson, model, ModuleType.MLP, print)
    assert found.sums.any() and path.exists()


def test_a_cluster_is_left_out_whole() -> None:
    sums = ClusterSums(("a", "b", "c"), np.array([2, 1, 1]), np.array([[6.0], [5.0], [9.0]]))
    assert sums.mean_without("a").tolist() == [7.0]
    assert sums.mean_without("b").tolist() == [5.0]
    assert sums.mean_without("of another split").tolist() == [5.0]


def write_prompts(folder: Path, clusters: str) -> str:
    lines = [
        {
            **{"id": f"q{n}", "language": "fr", "gold": "a", "cluster": cluster},
            **{"source": f"Name {n}: a", "target": f"Nom {n} : a"},
        }
        for n, cluster in enumerate(clusters)
    ]
    (folder / "my.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return f"task.file={folder / 'my.jsonl'}"


def test_the_selection_split_is_the_sample_and_needs_two_clusters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["task=prompts", write_prompts(tmp_path, "aabbcc"), "task.sample_by=cluster", *MEAN]
    plan = make_plan(compose([*given, "task.sample_size=2", "split=unseen", "languages=[fr]"]))
    assert plan.learned and plan.learned.split == "sample"
    assert len(plan.learned.lessons["fr"].ids) == 4 and plan.n_instances == {"fr": 2}
    assert not {*plan.learned.lessons["fr"].ids} & {one.id for one in plan.parts[0].instances}
    overrides = [*given, "task.sample_size=1", "split=sample", f"output_root={tmp_path / 'o'}"]
    assert cli.main(["run", *overrides]) == 2
    said = capsys.readouterr().err
    assert "split 'sample' has no question of another cluster than instance q" in said
    assert not (tmp_path / "o").exists()


def test_the_plan_says_what_is_learned_and_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "out", *MEAN, "dry_run=true") == 0
    plan = " ".join(capsys.readouterr().out.split())
    assert "vectors means over split dev: de 50, sw 50" in plan and " 0 source, " in plan
    assert not (tmp_path / "out").exists()


def test_a_sweep_over_seeds_does_what_draws_nothing_once(tmp_path: Path) -> None:
    given = ["grid=pairs", "grid.pairs=[[0,0]]", "limit=2", "languages=[sw]"]
    overrides = [*given, "control=mean,noise", "seed=0,1", f"output_root={tmp_path}"]
    assert cli.main(["run", "-m", *overrides]) == 0
    controls = [one.identity.control for one in xt.load_runs(tmp_path).runs]
    assert sorted(controls) == ["mean", "noise", "noise"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "control=mean"], "control=mean has no effect on check"),
        (["check", "intervention=steer"], "intervention.vector=difference is made from a task's"),
        (
            ["run", "control=mean", "intervention=steer"],
            "control=mean does not go with intervention.vector=difference; allowed: activation",
        ),
        (
            ["run", "control=samples", "intervention=mix"],
            "control=samples does not go with intervention.op=mix; allowed: replace",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
