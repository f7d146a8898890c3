"""The run key changes with what changes results and with nothing else, also between versions."""

import json
from copy import deepcopy
from dataclasses import field, make_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from xtransplant.config import run_key as module
from xtransplant.config.compose import compose
from xtransplant.config.run_key import COUNTS_WHERE, DRAWING_CONTROLS, LEFT_OUT, run_folder, run_key
from xtransplant.config.schema import CONTROLS, PromptConfig, RunConfig
from xtransplant.config.schema_keys import schema_keys
from xtransplant.tasks.controls import Inputs, controlled, engine_seeds
from xtransplant.types import Cell, Instance

KEY_FACTS: dict[str, Any] = {
    "data_fingerprint": "d1",
    "model_identity": "org/tiny@abc",
    "cells": [Cell(0, 1), Cell(2, 0)],
}

KEYS_0_1_0: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "run_keys_0_1_0.json").read_text("utf-8")
)
"""What `run_key` gave at commit 691b8ca for these overrides and `KEY_FACTS`."""

CHANGED = {
    # Nothing draws in these runs, so the seed counts as 0.
    "seed=7": KEYS_0_1_0[""],
    "control=same_prompt seed=7": KEYS_0_1_0["control=same_prompt"],
}


@pytest.fixture(scope="module")
def composed() -> RunConfig:
    return compose([])


@pytest.fixture
def config(composed: RunConfig) -> RunConfig:
    """A run in which every setting counts, to change at will."""
    config = deepcopy(composed)
    config.control, config.prompt.style = "noise", "few_shot"
    idle = {key for key, counts in COUNTS_WHERE.items() if not counts(config)}
    assert idle == {"decode.temperature"}  # of the control samples alone
    return config


def another(value: Any, type_: str) -> Any:
    """Return some other value of a setting's type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list) or "list" in type_:
        return [*(value or []), "other"]
    return (value or 0) + 1 if "int" in type_ else "other"


@pytest.mark.parametrize("overrides", KEYS_0_1_0)
def test_keys_of_the_first_version_are_still_found(overrides: str) -> None:
    found = run_key(compose(overrides.split()), **KEY_FACTS)
    assert found == CHANGED.get(overrides, KEYS_0_1_0[overrides])


@pytest.mark.parametrize("key", schema_keys())
def test_a_setting_is_in_the_key_or_in_the_list_of_those_left_out(
    config: RunConfig, key: str
) -> None:
    if key == "decode.temperature":
        config.control = "samples"
    before = run_key(config, **KEY_FACTS)
    section, _, name = key.rpartition(".")
    holder = attrgetter(section)(config) if section else config
    setattr(holder, name, another(getattr(holder, name), schema_keys()[key]))
    assert (run_key(config, **KEY_FACTS) != before) == (key not in LEFT_OUT)


def test_the_tables_name_settings_that_exist() -> None:
    assert {*module.FIRST, *LEFT_OUT, *COUNTS_WHERE} <= schema_keys().keys()
    assert not set(module.FIRST) & LEFT_OUT.keys()


def with_a_later_setting(config: RunConfig, value: str) -> RunConfig:
    """Return a run of a later version, whose prompts have a setting more; its default is "own"."""
    later = make_dataclass(
        "Later", [("imaginary", str, field(default=value))], bases=(PromptConfig,)
    )
    config.prompt = later(**vars(config.prompt))
    return config


@pytest.mark.parametrize("overrides", ["", "prompt.style=few_shot prompt.shots=5", "control=noise"])
def test_a_setting_added_later_enters_the_key_only_off_its_default(
    overrides: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose(overrides.split())
    with monkeypatch.context() as patched:
        default = with_a_later_setting(RunConfig(), "own")
        patched.setattr(module, "RunConfig", lambda: default)
        keys = [
            run_key(with_a_later_setting(deepcopy(config), value), **KEY_FACTS)
            for value in ("own", "pivot", "both")
        ]
    assert keys[0] == KEYS_0_1_0[overrides]
    assert len(set(keys)) == 3


def test_a_preset_is_its_keys_and_the_usual_intervention_enters_no_key() -> None:
    def key(*overrides: str) -> str:
        return run_key(compose(overrides), **KEY_FACTS)

    usual = KEYS_0_1_0[""]
    assert key("intervention=transplant") == usual
    assert (
        key("intervention=transplant", "intervention.op=replace", "intervention.alpha=1") == usual
    )
    assert key("intervention=mix") == key("intervention.op=mix", "intervention.alpha=0.5") != usual
    assert key("intervention=every") == key("intervention.steps=every")
    apart = {key("intervention=mix", f"intervention.alpha={alpha}") for alpha in (0.25, 0.5, 1)}
    assert len(apart) == 3


def test_a_fix_changes_the_keys_of_the_runs_it_touches_and_of_no_others() -> None:
    for overrides in ("", "prompt.style=few_shot", "control=noise", "prompt.style=chat"):
        config = compose(overrides.split())
        keys = [run_key(config, **KEY_FACTS, fixes=fixes) for fixes in ((), ("b", "a"), {"a"})]
        assert keys[0] == KEYS_0_1_0[overrides]
        assert len(set(keys)) == 3
        assert run_key(config, **KEY_FACTS, fixes={"a", "b"}) == keys[1]


@pytest.mark.parametrize("control", CONTROLS)
def test_a_seed_counts_where_something_draws(control: str) -> None:
    """What a control makes of two seeds is compared, not what a table says of it."""
    instances = {
        language: [
            Instance(str(n), language, "en", language, f"en {n}", f"{language} {n}", "gold")
            for n in range(20)
        ]
        for language in ("de", "fr", "sw")
    }

    made = [
        (
            controlled(control, Inputs(instances, seed, sorted(instances), instances.__getitem__)),
            [engine_seeds(control, one, seed) for one in instances["de"]],
        )
        for seed in (0, 1)
    ]
    assert (made[0] == made[1]) == (control not in DRAWING_CONTROLS)
    keys = {run_key(compose([f"control={control}", f"seed={n}"]), **KEY_FACTS) for n in (0, 1)}
    assert len(keys) == (1 if made[0] == made[1] else 2)


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
def test_run_key_and_the_facts_passed_in(
    config: RunConfig, fact: str, value: object, changes: bool
) -> None:
    before = run_key(config, **KEY_FACTS)
    assert (run_key(config, **(KEY_FACTS | {fact: value})) != before) == changes


@pytest.mark.parametrize("setting", ["grid=none", "control=samples"])
def test_an_untouched_model_has_one_run_for_all_modules(setting: str) -> None:
    changes = ("module=mlp", "module=attn", "intervention=steer")
    runs = [compose([setting, change]) for change in changes]
    assert len({run_key(run, **KEY_FACTS) for run in runs}) == 1
    assert {run_folder(run, "k").parent.name for run in runs} == {"untouched"}
    assert run_key(compose([]), **KEY_FACTS) != run_key(runs[0], **(KEY_FACTS | {"cells": []}))


def test_what_vectors_are_learned_from_is_in_the_key(composed: RunConfig) -> None:
    facts = [None, ("dev", "d1"), ("dev", "d2"), ("sample", "d1")]
    keys = {run_key(composed, **KEY_FACTS, learned=learned) for learned in facts}
    assert len(keys) == 4 and KEYS_0_1_0[""] in keys


def test_a_temperature_counts_where_tokens_are_drawn() -> None:
    keys = [
        run_key(compose([f"control=samples decode.temperature={t}".split()][0]), **KEY_FACTS)
        for t in ("1", "1.0", "0.7")
    ]
    assert keys[0] == keys[1] != keys[2]


def test_run_key_is_the_same_however_a_default_is_said(composed: RunConfig) -> None:
    said = compose(["direction=en_to_x", "split=dev", "seed=0"])
    assert run_key(said, **KEY_FACTS) == run_key(composed, **KEY_FACTS)
    said.direction = said.split = None
    assert run_key(said, **KEY_FACTS) == run_key(composed, **KEY_FACTS)


def test_run_folder(composed: RunConfig) -> None:
    config = deepcopy(composed)
    config.output_root, config.module = "some/where", "attn"
    assert run_folder(config, "0123456789ab") == Path("some/where/pocket/pocket/attn/0123456789ab")
