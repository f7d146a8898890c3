"""The table of what a run is: complete, with the configuration's defaults, and one line an axis."""

import ast
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pytest

import xtransplant
from xtransplant.config.schema import REQUIRED, RunConfig
from xtransplant.config.schema_keys import schema_keys
from xtransplant.store.axis import Rule, method_axis
from xtransplant.store.run_identity import FROM_PARTS, Pairing, RunIdentity, unusual_axes
from xtransplant.types import Cell

OLDEST = {"task": {"name": "quiz"}, "model": {"name": "tiny"}, "module": "mlp"}

NOT_WHAT_A_RUN_IS = {
    # Where data lie and what they are like: prompts and gold answers are compared one by one.
    *("task.loader", "task.id", "task.config", "task.data_split", "task.pivot_id"),
    *("task.pivot_config", "task.data_dir", "task.data_dir_languages", "task.file"),
    *("task.template", "task.keys", "task.languages", "languages"),
    *("task.licence", "task.size", "task.machine_translated"),
    *("translation.model", "translation.revision", "translation.instruction"),
    *("translation.max_new_tokens", "translation.allow_pickle", "translation.folder"),
    # Read from the parts, with its version, or resolved before the manifest is written.
    *("task.scorer",),
    *("grid.source_layers", "grid.target_layers", "grid.stride", "grid.pairs"),
    # Remarks, and how a command runs.
    *("model.about.family", "model.about.layers", "model.about.parameters"),
    *("model.about.licence", "model.about.gated"),
    *("shard.index", "shard.count", "output_root", "dry_run", "rows_per_batch"),
    *("device", "device_map"),
}


def test_every_key_is_an_axis_or_says_nothing_of_what_a_run_is() -> None:
    axes = {axis.key for axis in RunIdentity.axes() if axis.name not in FROM_PARTS}
    assert axes & NOT_WHAT_A_RUN_IS == set()
    assert set(schema_keys()) - NOT_WHAT_A_RUN_IS == axes, "decide whether the new key is an axis"


def test_analysis_and_reports_know_a_run_by_its_identity_alone() -> None:
    package = Path(xtransplant.__file__).parent
    readers = {
        path.relative_to(package).as_posix()
        for room in ("analysis", "reporting")
        for path in (package / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "config"
    }
    assert readers == {"analysis/load.py"}  # which hands it to RunIdentity.read


def test_a_missing_key_has_the_default_of_the_configuration() -> None:
    config = RunConfig()
    for axis in RunIdentity.axes():
        if axis.name not in FROM_PARTS and axis.name != "module":
            default = attrgetter(axis.key)(config)
            assert default == (REQUIRED if default == REQUIRED else axis.default), axis.name


def test_an_old_manifest_is_read_with_defaults() -> None:
    identity = RunIdentity.read(OLDEST)
    assert (identity.task, identity.model, identity.module) == ("quiz", "tiny", "mlp")
    assert (identity.control, identity.dtype, identity.max_new_tokens) == ("none", "float32", 20)
    assert (identity.split, identity.splits, identity.seed, identity.limit) == (None, (), 0, None)


@pytest.mark.parametrize(
    ("control", "seed"),
    [("none", 0), ("same_prompt", 0), ("random_instance", 4), ("shuffled_language", 4)],
)
def test_a_seed_counts_where_something_is_drawn(control: str, seed: int) -> None:
    assert RunIdentity.read({**OLDEST, "control": control, "seed": 4}).seed == seed


@pytest.mark.parametrize("key", ["task", "model", "module"])
def test_a_manifest_without_its_names_is_none(key: str) -> None:
    config = {name: value for name, value in OLDEST.items() if name != key}
    with pytest.raises(KeyError, match=key):
        RunIdentity.read(config)


def identity(**changes: object) -> RunIdentity:
    given = {"task": "quiz", "split": "dev", "model": "tiny", "module": "mlp"} | changes
    return RunIdentity(**given)  # type: ignore[arg-type]  # the values are of several types


def test_titles_and_labels() -> None:
    one = identity(grid="full", control="noise")
    assert one.title() == "quiz (dev), tiny, mlp"
    assert one.title(with_module=False) == "quiz (dev), tiny"
    assert one.labels() == {
        **{"task": "quiz", "split": "dev", "model": "tiny", "module": "mlp", "grid": "full"}
    }


@pytest.mark.parametrize(
    ("changes", "pairings"),
    [
        ({}, {each.name for each in Pairing}),
        ({"control": "noise"}, {"CONTROL", "CELLS", "UNTOUCHED"}),
        ({"split": "test"}, {"SELECTION"}),
        ({"cells": (Cell(0, 1),)}, {"SELECTION", "MODELS", "CELLS", "UNTOUCHED"}),
        ({"split": "test", "cells": (Cell(0, 1),)}, {"SELECTION"}),
        ({"module": "attn"}, {"MODULES", "UNTOUCHED"}),
        *(({name: "other"}, {"UNTOUCHED"}) for name in ("op", "alpha", "vector", "steps", "norm")),
        ({"control": "noise", "cells": (Cell(0, 1),)}, {"CELLS", "UNTOUCHED"}),
        ({"control": "noise", "module": "attn"}, {"UNTOUCHED"}),
        ({"task": "other"}, set()),
        ({"model": "other"}, {"MODELS"}),
        ({"direction": "x_to_en"}, {"DIRECTIONS"}),
        # Grids of the same cells are the same grid; a seed makes no other run.
        (
            {"grid": "pairs", "grid_file": "f", "seed": 3},
            {each.name for each in Pairing},
        ),
    ],
)
def test_which_runs_are_paired(changes: dict[str, object], pairings: set[str]) -> None:
    one, other = identity(cells=(Cell(0, 0),)), identity(**({"cells": (Cell(0, 0),)} | changes))
    assert {each.name for each in Pairing if one.group(each) == other.group(each)} == pairings
    same = {name: value for name, value in changes.items() if name[:4] not in ("grid", "seed")}
    assert (one.group() == other.group()) is not bool(same)


UNTOUCHED_SAMPLES = {"control": "samples", "module": "attn", "decode": {"temperature": 0.7}}


def test_an_untouched_model_has_no_module() -> None:
    samples = RunIdentity.read(OLDEST | UNTOUCHED_SAMPLES)
    assert (samples.module, samples.temperature) == ("untouched", 0.7)
    assert samples.title() == "quiz (None), tiny, untouched"
    assert samples.control_name == "samples at temperature 0.7"
    alone = RunIdentity.read(OLDEST | {"grid": {"name": "none", "untouched": True}})
    assert (alone.module, alone.control_name) == ("untouched", "none")


def test_samples_are_a_control_of_every_module() -> None:
    samples = RunIdentity.read(OLDEST | UNTOUCHED_SAMPLES)
    noise = RunIdentity.read(OLDEST | {"control": "noise"})
    for module in ("attn", "mlp"):
        experiment = RunIdentity.read(OLDEST | {"module": module})
        assert samples.is_control_of(experiment)
        assert noise.is_control_of(experiment) == (module == "mlp")
        assert not experiment.is_control_of(experiment)
        assert not samples.is_control_of(noise)
    other_split = RunIdentity.read(OLDEST | {"split": "test"})
    assert not samples.is_control_of(other_split)


def test_the_prompts_of_an_instance_depend_on_data_pivot_and_direction() -> None:
    assert identity().same_prompts == identity(model="x", module="attn", style="chat").same_prompts
    for changes in ({"split": "test"}, {"task": "x"}, {"pivot": "es"}, {"direction": "x_to_en"}):
        assert identity().same_prompts != identity(**changes).same_prompts


def test_the_same_data_are_the_same_task_and_split() -> None:
    assert identity().data_set == identity(model="x", module="attn", control="noise").data_set
    assert identity().data_set != identity(split="test").data_set
    assert identity().data_set != identity(task="x").data_set


@dataclass(frozen=True, kw_only=True)
class WithTone(RunIdentity):
    tone: str = method_axis("prompt.tone", Rule.SEPARATES, "plain", other_prompts=True)


def test_a_new_axis_is_one_line() -> None:
    before, plain, polite = (
        WithTone.read(OLDEST | prompt)
        for prompt in ({}, {"prompt": {"tone": "plain"}}, {"prompt": {"tone": "polite"}})
    )
    assert before == plain and before.group() == plain.group()
    assert plain.group() != polite.group()
    assert all(plain.group(pairing) != polite.group(pairing) for pairing in Pairing)
    assert plain.data_set == polite.data_set and plain.same_prompts != polite.same_prompts
    assert plain.title() == "quiz (None), tiny, mlp"
    assert polite.title() == "quiz (None), tiny, mlp, tone polite"
    assert unusual_axes([before, plain]) == [] and unusual_axes([plain, polite]) == ["tone"]
    assert plain.labels(["tone"])["tone"] == "plain" and "tone" not in plain.labels()
