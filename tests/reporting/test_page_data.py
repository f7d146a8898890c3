"""Which views the page puts side by side."""

from pathlib import Path
from typing import Any

import pytest
from made_runs import write_run

from xtransplant.analysis.load import load_runs
from xtransplant.reporting.page_data import Texts, views_of
from xtransplant.types import Cell

VERDICTS = {"fr": ["01000", "10011"], "sw": ["01000", "10011"]}


def views(root: Path) -> list[dict[str, Any]]:
    texts = Texts()
    return [view for run in load_runs(root).runs for view in views_of(run, texts)]


def test_a_view_says_what_its_run_is(tmp_path: Path) -> None:
    path = write_run(tmp_path, VERDICTS, control="noise")
    found = views(tmp_path)
    assert [view["language"] for view in found] == ["fr", "sw"]
    for view in found:
        names = ("task", "model", "module", "control", "split", "grid", "run", "status")
        assert [view[name] for name in names] == [
            *("quiz", "tiny", "mlp", "noise", "dev", "full", path.name, "done")
        ]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"grid_name": "pairs"}, True),
        ({"module": "attn"}, False),
        ({"split": "test"}, False),
        ({"model_name": "other"}, False),
        ({"cells": [Cell(0, 0), Cell(0, 1), Cell(1, 0), Cell(2, 2)]}, False),
    ],
)
def test_a_control_has_the_setting_of_its_own_experiment(
    tmp_path: Path, changes: Any, same: bool
) -> None:
    write_run(tmp_path / "1", VERDICTS)
    write_run(tmp_path / "2", VERDICTS, control="noise", **changes)
    settings = [view["setting"] for view in views(tmp_path)]
    assert settings[0] == settings[1] and settings[2] == settings[3]
    assert (settings[0] == settings[2]) is same
