"""Which runs may stand in one report, field by field."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_runs import CELLS, write_run

from xtransplant.analysis import load
from xtransplant.analysis.study import load_study
from xtransplant.errors import OutputError
from xtransplant.reporting.tables import all_tables
from xtransplant.store.axis import Rule, method_axis
from xtransplant.store.run_identity import RunIdentity
from xtransplant.types import Cell

VERDICTS = {"fr": ["01000", "10011"]}

SAME_IN_TASK = [
    ("scorer", {"scorer": "exact_match-2"}, '"exact_match-1" and "exact_match-2"'),
    ("task.revision", {"task_revision": "v2"}, 'null and "v2"'),
    ("task.pivot", {"task_pivot": "es"}, '"en" and "es"'),
    ("task.pivot_revision", {"task_pivot_revision": "v2"}, 'null and "v2"'),
    ("task.sample_size", {"task_sample_size": 9}, "50 and 9"),
    ("task.sample_seed", {"task_sample_seed": 1}, "0 and 1"),
    ("task.sample_by", {"task_sample_by": "cluster"}, '"id" and "cluster"'),
    ("task.lost_markers", {"task_lost_markers": "keep"}, '"refuse" and "keep"'),
]

SAME_IN_MODEL = [
    ("model.id", {"model_id": "org/other"}, '"org/tiny" and "org/other"'),
    ("model.revision", {"model_revision": "v2"}, 'null and "v2"'),
    ("model.distribution", {"model_distribution": "tiny"}, 'null and "tiny"'),
    ("model.adapter", {"model_adapter": "org/lora"}, 'null and "org/lora"'),
    ("model.adapter_revision", {"model_adapter_revision": "v2"}, 'null and "v2"'),
    ("model.dtype", {"model_dtype": "bfloat16"}, '"float32" and "bfloat16"'),
    ("model.trust_remote_code", {"model_trust_remote_code": True}, "false and true"),
    ("model.allow_pickle", {"model_allow_pickle": True}, "false and true"),
    ("model.language_token", {"model_language_token": "fra"}, 'null and "fra"'),
    ("model.family.layers", {"model_family": {"layers": "h"}}, 'null and "h"'),
    ("model.family.attn", {"model_family": {"attn": "a"}}, 'null and "a"'),
    ("model.family.mlp", {"model_family": {"mlp": "m"}}, 'null and "m"'),
    ("model.family.cross_attn", {"model_family": {"cross_attn": "c"}}, 'null and "c"'),
    ("model.family.encoder_layers", {"model_family": {"encoder_layers": "e"}}, 'null and "e"'),
    ("decode.max_new_tokens", {"decode_max_new_tokens": 5}, "20 and 5"),
    ("prompt.style", {"prompt_style": "chat"}, '"plain" and "chat"'),
    ("prompt.instruction_language", {"prompt_instruction_language": "en"}, '"target" and "en"'),
    ("prompt.shots", {"prompt_shots": 5}, "3 and 5"),
]


def two_runs(root: Path, first: dict[str, Any], second: dict[str, Any]) -> tuple[Path, Path]:
    """Write two runs of the same instances; return their folders."""
    verdicts = {"fr": [line[: len(second.get("cells", CELLS)) + 1] for line in VERDICTS["fr"]]}
    return write_run(root / "1", VERDICTS, **first), write_run(root / "2", verdicts, **second)


def refusal(root: Path) -> str:
    with pytest.raises(OutputError) as raised:
        load_study([root])
    return str(raised.value)


@pytest.mark.parametrize(("key", "changes", "values"), SAME_IN_TASK)
def test_what_runs_of_a_task_share(tmp_path: Path, key: str, changes: Any, values: str) -> None:
    # Even those of other models.
    left, right = two_runs(tmp_path, {}, {"model_name": "zeta", **changes})
    assert refusal(tmp_path) == (
        f"{left} and {right} do not belong together: {key} differs, {values}; report them apart"
    )


@pytest.mark.parametrize(("key", "changes", "values"), SAME_IN_MODEL)
def test_what_runs_of_a_model_share(tmp_path: Path, key: str, changes: Any, values: str) -> None:
    style = {"prompt_style": "few_shot"} if key == "prompt.shots" else {}
    left, right = two_runs(tmp_path, style, {"module": "mlp", "split": "test", **style, **changes})
    assert refusal(tmp_path) == (
        f"{left} and {right} do not belong together: {key} differs, {values}; report them apart"
    )


def test_other_models_may_differ_in_all_of_these(tmp_path: Path) -> None:
    everything = {key: value for _, changes, _ in SAME_IN_MODEL for key, value in changes.items()}
    two_runs(tmp_path, {}, {"model_name": "zeta", **everything})
    assert len(load_study([tmp_path]).experiments) == 2


def test_other_tasks_may_differ_in_all_of_these(tmp_path: Path) -> None:
    everything = {key: value for _, changes, _ in SAME_IN_TASK for key, value in changes.items()}
    two_runs(tmp_path, {}, {"task_name": "riddle", **everything})
    assert len(load_study([tmp_path]).experiments) == 2


def test_the_tests_know_every_axis_that_must_be_the_same() -> None:
    for rule, cases in ((Rule.SAME_IN_TASK, SAME_IN_TASK), (Rule.SAME_IN_MODEL, SAME_IN_MODEL)):
        assert {axis.key for axis in RunIdentity.axes(rule)} == {key for key, _, _ in cases}


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "test"},
        {"module": "attn"},
        {"control": "noise"},
        {"direction": "x_to_en", "gold": "h"},
        {"cells": [Cell(0, 0), Cell(0, 1)], "grid_name": "pairs"},
        # With these too, runs are rows of their own by another axis.
        {"module": "attn", "seed": 1, "limit": 2},
        {"module": "attn", "grid_name": "mine", "grid_file": "pairs.yaml"},
        {"module": "attn", "task_licence": "MIT", "task_data_dir": "/elsewhere"},
        {"module": "attn", "device": "cuda", "model_about": {"layers": 3}},
        {"module": "attn", "task_splits": ["dev", "later", "test"]},
    ],
)
def test_what_may_differ(tmp_path: Path, changes: Any) -> None:
    two_runs(tmp_path, {}, changes)
    assert len(load_study([tmp_path]).outcomes) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "are the same run; give one of them"),
        ({"grid_name": "mine"}, "are the same run; give one of them"),
        ({"seed": 1}, "are the same run; give one of them"),  # nothing is drawn
        ({"prompt_shots": 1}, "are the same run; give one of them"),  # there are none
        ({"limit": 5}, "do not belong together: limit differs, null and 5; report them apart"),
    ],
)
def test_no_run_is_there_twice(tmp_path: Path, changes: Any, message: str) -> None:
    left, right = two_runs(tmp_path, {}, changes)
    assert refusal(tmp_path) == f"{left} and {right} {message}"


def test_seeds_of_a_control_are_replicates(tmp_path: Path) -> None:
    two_runs(tmp_path, {"control": "noise"}, {"control": "noise", "seed": 1})
    study = load_study([tmp_path])
    (first, second) = study.replicates(study.outcomes[0])
    assert (first.identity.seed, second.identity.seed) == (0, 1)


def test_an_old_manifest_stands_beside_a_new_one(tmp_path: Path) -> None:
    left, _ = two_runs(tmp_path, {}, {"module": "attn"})
    path = left / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    config = manifest["config"]
    for key in ("allow_pickle", "adapter", "adapter_revision", "family", "language_token", "about"):
        del config["model"][key]
    for key in ("sample_by", "lost_markers", "pivot", "pivot_revision"):
        del config["task"][key]
    del config["prompt"], config["decode"], config["grid"]["file"]
    path.write_text(json.dumps(manifest), "utf-8")
    study = load_study([tmp_path])
    assert [one.is_grid for one in study.experiments] == [True, True]


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": [Cell(0, 0), Cell(1, 1)]},
        {"cells": [Cell(0, 0), Cell(0, 1), Cell(1, 0), Cell(2, 1)]},
        {"module": "attn"},
        {"split": "test"},
        {"model_name": "zeta"},
    ],
)
def test_a_control_goes_with_its_own_experiment(tmp_path: Path, changes: Any) -> None:
    two_runs(tmp_path, {}, {"control": "noise", **changes})
    study = load_study([tmp_path])
    assert study.controls(study.experiments[0]) == []
    (bounds,) = [one.frame for one in all_tables(study) if one.name == "T2_upper_bounds"]
    assert set(bounds["control"]) == {""}


@dataclass(frozen=True, kw_only=True)
class WithTone(RunIdentity):
    tone: str = method_axis("prompt.tone", Rule.SEPARATES, "plain", other_prompts=True)


def test_runs_that_differ_in_a_new_axis_have_rows_and_controls_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "1", VERDICTS)  # written before the axis existed
    write_run(tmp_path / "2", VERDICTS, prompt_tone="polite", source="Please")
    write_run(tmp_path / "3", VERDICTS, prompt_tone="polite", source="Please", control="noise")
    assert "instance q0 (fr) has another source prompt" in refusal(tmp_path)

    monkeypatch.setattr(load, "RunIdentity", WithTone)
    study = load_study([tmp_path])
    plain, polite = study.experiments
    assert study.controls(plain) == []
    assert [one.identity.control for one in study.controls(polite)] == ["noise"]
    titles = [one.identity.title() for one in (plain, polite)]
    assert titles == ["quiz (dev), tiny, mlp", "quiz (dev), tiny, mlp, tone polite"]
    for table in all_tables(study):
        if len(table.frame) and table.name != "T0_primary":  # a row for each task and model
            # Only the polite run has a control to stand beside.
            with_controls = table.name in ("T6_controls", "tries")
            wanted = ["polite"] if with_controls else ["plain", "polite"]
            assert list(table.frame["tone"].unique()) == wanted, table.name
