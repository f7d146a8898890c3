"""The command line as a user meets it: exit status, one line, and nothing heavy imported for it.

Commands that need a model's answers are tested with the run; here stand-ins take their place.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import xtransplant
from xtransplant.cli import app as cli
from xtransplant.config.intervention import TRANSPLANT
from xtransplant.config.schema import RunConfig
from xtransplant.errors import DataError
from xtransplant.runner import job as jobs
from xtransplant.types import Cell

HEAVY = ("torch", "transformers", "datasets", "pandas", "pyarrow", "numpy")


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "xtransplant", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", **options)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments that select a model and a task of the user's own, with results in a new folder."""
    monkeypatch.chdir(tmp_path)
    conf = tmp_path / "conf"
    for name, text in {
        "model/tiny.yaml": "name: tiny\nid: org/tiny\ndtype: bfloat16\n",
        "task/toy.yaml": "name: toy\nloader: authors\nsplits: [dev]\nlanguages: [en, fr, sw]\n"
        "direction: en_to_x\nscorer: exact\n",
    }.items():
        (conf / name).parent.mkdir(parents=True)
        (conf / name).write_text(text, encoding="utf-8")
    return ["--config-dir", str(conf), "model=tiny", "task=toy"]


WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, ["passive", "1000"]),
        ({"OMP_WAIT_POLICY": "active"}, ["active", None]),
        ({"GOMP_SPINCOUNT": "0"}, [None, "0"]),
    ],
)
def test_threads_spin_for_a_while_unless_the_user_has_chosen(
    chosen: dict[str, str], expected: list[str | None], monkeypatch: pytest.MonkeyPatch
):
    for name in WAITING:
        monkeypatch.setenv(name, "")  # so that what main sets is undone
        monkeypatch.delenv(name)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["--version"]) == 0
    assert [os.environ.get(name) for name in WAITING] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["rn"],
            "unknown command 'rn'; allowed: bench, check, ls, prepare, report, rescore, run, "
            "select, similarity, status, submit, translate, try; nearest match: run",
        ),
        (
            ["run", "--dryrun"],
            "No such option: --dryrun (Possible options: --dry-run); see 'xtransplant run --help'",
        ),
        (["--verson"], "No such option: --verson (Possible options: --version); "
                       "see 'xtransplant --help'"),
        (["try", "--source", "a", "--target", "b"],
         "Missing option '--model'; see 'xtransplant try --help'"),
        (["try", "--model"], "Option '--model' requires an argument; see 'xtransplant try --help'"),
        (
            ["try", "--model", "m", "--source", "a", "--target", "b", "--cell", "4"],
            "malformed cell '4'; allowed: SOURCE_LAYER,TARGET_LAYER such as 16,4 or -1,0",
        ),
        (
            ["try", "--model", "m", "--source", "a", "--target", "b", "--module", "mpl"],
            "unknown module 'mpl'; allowed: attn, attn_mlp, attn_residual, block, cross_attn, "
            "encoder_block, mlp; nearest match: mlp",
        ),
        (
            ["ls", "model"],
            "unknown kind 'model'; allowed: experiments, grids, interventions, models, tasks; "
            "nearest match: models; as in 'xtransplant ls models'",
        ),
        (["run", "limit=abc"], "bad value 'abc' for limit; allowed: an integer or null"),
        (["run", "module=attn,mlp"],
         "'module=attn,mlp' has several values; to sweep over them add -m"),
        (["run", "grid=strid5"],
         "unknown grid 'strid5'; allowed: first_to_first, full, last_to_first, none, pairs, "
         "stride2, stride5; nearest match: stride5"),
        (
            ["run", "--config-dir", "nowhere"],
            "config folder 'nowhere' is not a folder; allowed: a folder that holds any of "
            "model, task, grid, intervention, decode, experiment",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_on_stderr_and_status_2(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["rn"],
            "unknown command 'rn'; allowed: bench, check, ls, prepare, report, rescore, run, "
            "select, similarity, status, submit, translate, try; nearest match: run",
        ),
        (["run", "seed=x"], "bad value 'x' for seed; allowed: an integer"),
        (
            ["run", "model=smollm2-135m", "task=xnli", "module=mpl"],
            "unknown module 'mpl'; allowed: attn, attn_mlp, attn_residual, block, cross_attn, "
            "encoder_block, mlp; nearest match: mlp",
        ),
        (
            ["run", "model=smollm2-135m", "task=xnli", "languages=[fr,xx]"],
            "task xnli: unknown language 'xx'; allowed: ar, bg, de, el, en, es, fr, hi, ru, sw, "
            "th, tr, ur, vi, zh",
        ),
    ],
)
def test_the_same_from_a_shell(tmp_path, arguments, message):
    finished = run(*arguments, cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == f"error: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "start", "nearest"),
    [
        (["run", "model=lama2-7b"], "unknown model 'lama2-7b'; allowed: ", "llama2-7b"),
        (["run", "task=xnil"], "unknown task 'xnil'; allowed: ", "xnli"),
        (["run", "modul=mlp"], "unknown key 'modul'; allowed: ", "module"),
        (["run", "taks.data_dir=x"], "unknown key 'taks.data_dir'; allowed: ", "task.data_dir"),
        (["run", "-m", "task=xnli,xnil"], "unknown task 'xnil'; allowed: ", "xnli"),
        (["check", "model=lama2-7b"], "unknown model 'lama2-7b'; allowed: ", "llama2-7b"),
        (["try", "--model", "lama2-7b", "--source", "a", "--target", "b"],
         "unknown model 'lama2-7b'; allowed: ", "llama2-7b"),
    ],
)  # fmt: skip
def test_a_typo_names_what_is_allowed_and_the_nearest_match(capsys, arguments, start, nearest):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error: {start}") and err.count("\n") == 1
    assert f"; nearest match: {nearest}" in err


@pytest.mark.parametrize(
    ("arguments", "light"),
    [
        (["--help"], True),
        (["ls"], True),
        (["rn"], True),
        (["run", "modul=mlp"], False),
        (["run", "model=smollm2-135m", "task=xnli", "languages=[xx]"], False),
    ],
)
def test_no_answer_without_a_run_imports_what_is_slow(arguments, light):
    script = (
        "import sys\nfrom xtransplant.cli.app import main\n"
        f"main({arguments!r})\n"
        "print('MODULES', *sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    modules = finished.stdout.partition("MODULES")[2].split()
    assert "xtransplant.cli.app" in modules
    forbidden = (*HEAVY, "hydra", "omegaconf") if light else HEAVY
    assert [name for name in forbidden if name in modules] == []
    assert "hydra" in modules or light


def test_help_has_every_command_key_and_example(capsys):
    assert cli.main([]) == 0
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in ("run", "ls", "check", "try", "prepare", "translate"):
        assert f"\n  {command} " in out
        assert cli.main([command, "--help"]) == 0
        assert "Examples:\n    xtransplant " + command in capsys.readouterr().out
    assert cli.main(["run", "--help"]) == 0
    run_help = capsys.readouterr().out
    for field in RunConfig.__dataclass_fields__:
        assert field in run_help
    for key in ("shard.index", "shard.count"):
        assert f"\n    {key} " in run_help


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"xtransplant {xtransplant.__version__}\n"


def test_ls_has_a_line_for_each_entry(own, capsys):
    finished = run("ls", *own[:2])
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = [line.split() for line in finished.stdout.splitlines()]
    for expected in (
        "tiny",
        "smollm2-135m llama 30 135 M 0.5 GiB Apache-2.0",
        "hf any",
        "toy en fr sw en_to_x exact",
        "full all source layers × all target layers",
        "stride5 source layers 0, 5, 10, … × target layers 0, 5, 10, …",
        "last_to_first -1→0",
        "pairs cells of your own: grid.pairs=[[16,4],[-1,0]]",
        "xnli_coarse_attn task=xnli grid=last_to_first module=attn",
    ):
        assert expected.split() in lines
    assert cli.main(["ls", "models", *own[:2]]) == 0
    models = capsys.readouterr().out
    assert models and finished.stdout.startswith(models) and "stride5" not in models


def test_ls_names_a_file_that_cannot_be_read(own, capsys):
    path = Path(own[1]) / "grid" / "broken.yaml"
    path.parent.mkdir()
    path.write_text("name: [\n", encoding="utf-8")
    assert cli.main(["ls", "grids", *own[:2]]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {path} is not YAML: ") and err.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "xtransplant", "ls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="left out: no /dev/full, which only Linux has"
)
def test_output_to_a_full_disk_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "xtransplant", "ls"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 2
    line = b"error: disk full while writing what this command prints: free space and run it again\n"
    assert done.stderr == line


# ---------------------------------------------------------------- what the commands hand on


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The configurations that would be run; no run takes place."""
    seen: list[RunConfig] = []
    monkeypatch.setattr(jobs, "do", lambda config, console: seen.append(config))
    return seen


def test_run_hands_on_what_was_composed(own, runs):
    assert cli.main(["run", *own, "languages=[sw]", "module=attn"]) == 0
    (config,) = runs
    assert (config.model.id, config.languages, config.module) == ("org/tiny", ["sw"], "attn")
    assert config.dry_run is False


@pytest.mark.parametrize("flag", ["--dry-run", "dry_run=true"])
def test_dry_run_by_option_or_by_key(own, runs, flag):
    assert cli.main(["run", *own, flag]) == 0
    assert [config.dry_run for config in runs] == [True]


def test_sweep_runs_each_combination_and_leaves_no_files_elsewhere(own, runs, capsys):
    assert cli.main(["run", *own, "-m", "module=attn,mlp", "languages=fr,sw"]) == 0
    assert [(config.module, config.languages) for config in runs] == [
        ("attn", ["fr"]),
        ("attn", ["sw"]),
        ("mlp", ["fr"]),
        ("mlp", ["sw"]),
    ]
    assert "run model=tiny task=toy module=mlp languages=fr\n" in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["conf", "outputs"]
    assert [path.name for path in Path("outputs").iterdir()] == [".sweeps"]


def test_a_failed_job_of_a_sweep_is_one_line_and_the_others_still_run(own, monkeypatch, capsys):
    finished = []

    def run_one(config, console):
        if config.module == "attn":
            raise DataError("no such file 'x'")
        finished.append(config.module)

    monkeypatch.setattr(jobs, "do", run_one)
    assert cli.main(["run", *own, "-m", "module=attn,mlp,block"]) == 2
    assert finished == ["mlp", "block"]
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if "error" in line.lower()]
    assert errors == [
        "error: no such file 'x' (in run model=tiny task=toy module=attn)",
        "error: 1 of 3 jobs failed; run the same command again to resume",
    ]
    table = [" ".join(line.split()) for line in out.splitlines()]
    assert table[0] == "job state reason"
    assert table[2:] == [
        "module=attn failed no such file 'x'",
        "module=mlp done",
        "module=block done",
    ]


def test_interrupted(own, monkeypatch, capsys):
    def interrupt(config, console):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "do", interrupt)
    for arguments in ([], ["-m"]):
        assert cli.main(["run", *own, *arguments]) == 130
        assert capsys.readouterr().err.splitlines()[-1] == (
            "error: interrupted; run the same command again to resume"
        )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """`xt.load_model` and `xt.transplant` that note their arguments and answer from a list."""
    calls: list[dict] = []

    def load_model(**arguments):
        arguments.pop("on_step")("convert", 0, 1)
        calls.append(arguments)
        return "the model"

    def transplant(model, source, target, module, cells, max_new_tokens, **more):
        named = {"module": module, "cells": cells, "max_new_tokens": max_new_tokens}
        calls.append({"model": model, "source": source, "target": target, **named, **more})
        texts = {Cell(0, 0): "oui", Cell(0, 1): "non", Cell(1, 0): "non"}
        return SimpleNamespace(
            baseline=SimpleNamespace(text="no"),
            cells=tuple(texts),
            text=lambda source, target: texts[Cell(source, target)],
        )

    # Not setattr, which would first get, and so import, the real ones.
    monkeypatch.setitem(vars(xtransplant), "load_model", load_model)
    monkeypatch.setitem(vars(xtransplant), "transplant", transplant)
    return calls


TRY = ["try", "--source", "The", "--target", "Le"]


def test_try_with_cells_shows_each(own, stand_in, capsys):
    assert cli.main([*TRY, *own[:2], "--model", "tiny", "--cell", "0,0", "--cell", "-1,0"]) == 0
    assert stand_in == [
        {
            "id": "org/tiny",
            "revision": None,
            "dtype": "bfloat16",
            "distribution": None,
            "trust_remote_code": False,
            "allow_pickle": False,
            "family": dict.fromkeys(("layers", "attn", "mlp", "cross_attn", "encoder_layers")),
            "adapter": None,
            "adapter_revision": None,
            "language_token": None,
        },
        {
            "model": "the model",
            "source": "The",
            "target": "Le",
            "module": "mlp",
            "cells": [(0, 0), (-1, 0)],
            "max_new_tokens": 20,
            "intervention": TRANSPLANT,
        },
    ]
    assert [line.split() for line in capsys.readouterr().out.splitlines()][2:] == [
        ["baseline", "no"],
        ["0→0", "oui"],
        ["0→1", "non"],
        ["1→0", "non"],
    ]


def test_try_without_cells_counts_the_distinct_texts_of_the_full_grid(stand_in, capsys):
    arguments = ["--model", "org/other", "--module", "attn_residual", "--max-new-tokens", "3"]
    assert cli.main([*TRY, *arguments]) == 0
    assert stand_in[0]["id"] == "org/other"
    assert stand_in[1]["module"] == "attn_residual"
    assert (stand_in[1]["cells"], stand_in[1]["max_new_tokens"]) == ("full", 3)
    assert [line.split() for line in capsys.readouterr().out.splitlines()][2:] == [
        ["baseline", "no"],
        ["2", "0→1", "non"],
        ["1", "0→0", "oui"],
    ]


@pytest.mark.parametrize(("identical", "status"), [(True, 0), (False, 1)])
def test_check_hands_on_cells_and_modules_and_fails_where_not_identical(
    own, monkeypatch, identical, status
):
    calls = []

    def run_check(config, console, *, n_cells, modules):
        calls.append((config.model.name, n_cells, list(modules)))
        return identical

    monkeypatch.setitem(
        sys.modules, "xtransplant.commands.check", SimpleNamespace(run_check=run_check)
    )
    assert cli.main(["check", *own, "--cells", "3", "--modules", "block,attn"]) == status
    assert cli.main(["check", *own]) == status
    assert calls == [
        ("tiny", 3, ["block", "attn"]),
        ("tiny", 25, []),  # all that the model has
    ]


@pytest.mark.parametrize(
    ("command", "module", "function", "work"),
    [
        ("check", "check", "run_check", "the check"),
        ("bench", "bench", "run_bench", "the benchmark"),
    ],
)
def test_memory_that_runs_out_is_one_line(
    own, monkeypatch, capsys, command, module, function, work
):
    def fails(*_, **__):
        raise MemoryError

    others = {"BenchSettings": lambda **_: None, function: fails}
    monkeypatch.setitem(sys.modules, f"xtransplant.commands.{module}", SimpleNamespace(**others))
    assert cli.main([command, *own]) == 1
    assert capsys.readouterr().err == (
        f"error: out of memory at {work}: MemoryError; lower rows_per_batch and run the same "
        "command again\n"
    )


def test_memory_that_runs_out_in_a_trial_is_one_line(stand_in, monkeypatch, capsys):
    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setitem(vars(xtransplant), "transplant", fails)
    assert cli.main([*TRY, "--model", "org/other"]) == 1
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("error: out of memory at the trial: ")
    )


def test_check_refuses_an_unknown_module(own, capsys):
    assert cli.main(["check", *own, "--modules", "attn,mpl"]) == 2
    assert capsys.readouterr().err == (
        "error: unknown module 'mpl'; allowed: attn, attn_mlp, attn_residual, block, cross_attn, "
        "encoder_block, mlp; "
        "nearest match: mlp\n"
    )
