"""Fields of text keep what is written, on the command line and in a user's YAML files."""

from operator import attrgetter
from pathlib import Path

import pytest

from xtransplant.config.compose import compose, sweep


@pytest.mark.parametrize(
    ("override", "key", "text"),
    [
        ("model.revision=83e2010", "model.revision", "83e2010"),
        ("model.name=1e5", "model.name", "1e5"),
        ("model.name=1.50", "model.name", "1.50"),
        ("model.distribution=true", "model.distribution", "true"),
        ("output_root=1_000", "output_root", "1_000"),
        ("model.revision='1e5'", "model.revision", "1e5"),
        ("model.revision=null", "model.revision", None),
        ("limit=12", "limit", 12),
    ],
)
def test_on_the_command_line(override: str, key: str, text: object) -> None:
    assert attrgetter(key)(compose([override])) == text


def test_in_a_sweep() -> None:
    def job(composed, _overrides):
        return composed().model.name

    assert sweep(["model.name=1e5,2e10"], job) == ["1e5", "2e10"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    files = {
        "model/mine": "name: 1e5\nid: org/name\nrevision: 83e2010\nfamily:\n  layers: 0x10\n",
        "model/plain": "name: a\nid: org/name\nrevision: null\nallow_pickle: yes\n",
        "task/own": (
            "name: 007\nloader: prompts\nfile: 12:30\nlanguages: [no, fr, 1e5]\nkeys: [01, 1_000]\n"
            "splits: [on, off]\ndirection: en_to_x\nscorer: paper\n"
        ),
        "experiment/one": "# @package _global_\noutput_root: 010\nlimit: 5\n",
    }
    for name, content in files.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_in_yaml_files(own: Path) -> None:
    config = compose(["model=mine", "task=own", "experiment=one"], own)
    model, task = config.model, config.task
    assert (model.name, model.revision, model.family.layers) == ("1e5", "83e2010", "0x10")
    assert (task.name, task.file) == ("007", "12:30")
    assert (task.languages, task.keys) == (["no", "fr", "1e5"], ["01", "1_000"])
    assert (task.splits, config.split) == (["on", "off"], "on")
    assert (config.output_root, config.limit) == ("010", 5)


def test_the_command_line_goes_before_the_file(own: Path) -> None:
    config = compose(["model=mine", "model.revision=1e7", "model.name=b"], own)
    assert (config.model.revision, config.model.name) == ("1e7", "b")


def test_null_and_truth_stay_what_they_are(own: Path) -> None:
    config = compose(["model=plain"], own)
    assert config.model.revision is None
    assert config.model.allow_pickle is True
