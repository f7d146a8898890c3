"""`xtransplant bench`: one JSON object whose figures agree with one another."""

import json
import os
from pathlib import Path

import pytest

from xtransplant import progress
from xtransplant.cli import app as cli
from xtransplant.commands.bench_prompts import of_length
from xtransplant.engine import profiling as measure

FIELDS = [
    "model",
    "device",
    "dtype",
    "prompt_tokens",
    "new_tokens",
    "cells",
    "rows_per_batch",
    "seconds",
    "ms_per_cell",
    "oracle_ms_per_cell",
    "speedup",
    "cells_compared",
    "cells_equal",
    "matmul_gflops",
    "achieved_gflops",
    "floor_seconds",
    "floor_ratio",
    "layer_row_share",
    "distinct_texts",
    "peak_memory_mb",
]
POCKET = ["bench", "model=pocket", "decode.max_new_tokens=6", "grid.stride=4"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MATMUL_SECONDS", 0.05)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The built-in prompts are longer than the pocket model's context."""
    paths = {side: tmp_path / f"{side}.txt" for side in ("source", "target")}
    for side, path in paths.items():
        path.write_text(f"Which bird sings? {side}:", encoding="utf-8")
    return [f"--{side}={path}" for side, path in paths.items()]


def bench(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, float]:
    assert cli.main([*POCKET, *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_byte_order_mark_is_no_part_of_a_prompt(capsys, files: list[str], tmp_path) -> None:
    cells = ("--cells-compared", "0")
    plain = bench(capsys, *files, *cells)["source_tokens"]
    path = tmp_path / "source.txt"
    path.write_text(path.read_text("utf-8"), "utf-8-sig")
    assert bench(capsys, *files, *cells)["source_tokens"] == plain


def test_figures_agree(capsys, files: list[str]) -> None:
    got = bench(capsys, *files, "--cells-compared", "4")
    assert set(FIELDS) <= set(got)
    assert got["model"] == "pocket" and got["cells"] == 4 and got["rows_per_batch"] == 5
    assert got["cells_compared"] == got["cells_equal"] == 4
    assert got["ms_per_cell"] == pytest.approx(1e3 * got["seconds"] / 4)
    assert got["speedup"] == pytest.approx(got["oracle_ms_per_cell"] / got["ms_per_cell"])
    assert got["floor_ratio"] == pytest.approx(got["seconds"] / got["floor_seconds"])
    assert 0 < got["layer_row_share"] < 1
    assert 1 <= got["distinct_texts"] <= 4


def test_several_prompts_modules_and_options(capsys, files: list[str]) -> None:
    got = bench(
        capsys,
        *files,
        *("--instances", "3", "--together", "--options", "--cells-compared", "0"),
        *("--prompt-tokens", "40"),
    )
    assert got["instances"] == 3 and got["cells"] == 12 and got["prompt_tokens"] == 40
    assert got["cells_compared"] == 0 and got["speedup"] is None
    assert got["grids_together"] == 6
    assert got["seconds_with_options"] > 0 and got["seconds_per_instance_alone"] > 0


def test_a_prompt_of_a_length_keeps_both_ends() -> None:
    assert of_length([1, 2, 3, 4, 5], 2) == [1, 5]
    assert of_length([1, 2, 3, 4, 5], 3) == [1, 4, 5]
    assert of_length([1, 2, 3, 4, 5], 5) == [1, 2, 3, 4, 5]
    assert of_length([1, 2, 3], 7) == [1, 2, 3, 3, 1, 2, 3]


def test_a_terminal_or_log_sees_what_is_measured(
    capsys, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    shown = ["bench", "model=pocket", "decode.max_new_tokens=2", "grid.stride=4", *files]
    assert cli.main([*shown, "--together", "--options", "--cells-compared", "2"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "warming up",
        "4 cells by the engine",
        "all modules and a control together",
        "with log-probabilities of options",
        "cells by the oracle 0.0 %",
        "cells by the oracle 50.0 %",
    ]


def test_the_oracle_does_cells_of_every_grid(capsys, files: list[str]) -> None:
    got = bench(capsys, *files, "--together", "--options", "--cells-compared", "99")
    assert got["cells"] == 4
    # The grid, those of five modules and of the control, and the grid with options.
    assert got["cells_compared"] == got["cells_equal"] == 4 + 6 * 4 + 4


def test_random_weights_need_no_checkpoint(capsys, files: list[str]) -> None:
    got = bench(
        capsys, *files, "--random-weights", "--cells-compared", "2", "--prompt-tokens", "30"
    )
    assert got["random_weights"] is True and got["cells_equal"] == 2


def test_the_cells_of_a_file_are_measured(capsys, files: list[str], tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.yaml"
    pairs.write_text("pairs: {fr: [1, 2], sw: [-1, 0], tr: [1, 2]}\n", encoding="utf-8")
    chosen = ["bench", "model=pocket", "grid=pairs", f"grid.file={pairs}", *files]
    assert cli.main([*chosen, "decode.max_new_tokens=3"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["cells"] == got["cells_compared"] == got["cells_equal"] == 2


def test_a_plan_is_refused(capsys) -> None:
    assert cli.main([*POCKET, "dry_run=true"]) == 2
    assert capsys.readouterr().err.strip() == (
        "error: dry_run=true has no effect on bench; leave it out"
    )


def test_prompts_that_do_not_fit_are_told_with_the_way_to_give_others(capsys) -> None:
    assert cli.main(POCKET) == 2
    err = capsys.readouterr().err.strip()
    assert err == (
        "error: the built-in source prompt (give another: --source FILE) has 350 tokens; "
        "the model's context is 128: shorten the prompt"
    )


def test_a_prompt_that_cannot_be_read_is_one_line(capsys) -> None:
    assert cli.main([*POCKET, "--source", "nowhere.txt"]) == 2
    assert capsys.readouterr().err.strip() == (
        "error: cannot read the prompt nowhere.txt: No such file or directory; give a text file"
    )


def test_an_empty_prompt_is_named(capsys, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text(" \n")
    assert cli.main([*POCKET, "--target", str(empty)]) == 2
    assert capsys.readouterr().err.strip() == (
        f"error: the prompt {empty} is empty; give a text file"
    )


def test_a_prompt_that_is_a_pipe_or_a_device_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        assert cli.main(["bench", f"--source={path}"]) == 2
        said = capsys.readouterr().err
        assert (
            said
            == f"error: cannot read the prompt {path}: it is not a regular file; give a text file\n"
        )
