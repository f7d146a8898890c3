"""Names in any script work, also where the locale knows ASCII alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from xtransplant.config.compose import compose, sweep

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ROW = {"id": "вопрос", "language": "sw", "source": "Что?", "target": "Nini?", "gold": "дом"}


def xtransplant(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "xtransplant", *arguments]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", env=os.environ | environment
    )


@pytest.mark.parametrize("environment", [ASCII, {"LC_ALL": "C"}], ids=["ascii", "C"])
def test_a_run_in_folders_with_cyrillic_names(tmp_path: Path, environment: dict[str, str]) -> None:
    place = tmp_path / "Папка"
    place.mkdir()
    (place / "вопросы.jsonl").write_text(json.dumps(ROW, ensure_ascii=False), "utf-8")
    out = f"{place}/вывод"
    done = xtransplant(
        *("run", "task=prompts", f"task.file={place}/вопросы.jsonl", f"output_root={out}"),
        *("grid=pairs", "grid.pairs=[[0,1]]", "decode.max_new_tokens=2"),
        **environment,
    )
    assert (done.returncode, f"results: {out}/prompts/" in done.stdout) == (0, True), done.stderr
    done = xtransplant("status", out, **environment)
    assert (done.returncode, "1 run: 1 done" in done.stdout) == (0, True), done.stderr
    done = xtransplant("status", f"{place}/нет", **environment)
    assert done.returncode == 2 and done.stderr.startswith(f"error: no run below '{place}/нет'")


def test_values_with_letters_of_any_script_need_no_quotes() -> None:
    config = compose(["output_root=/данные/мои файлы", "task.data_dir=/日本", "limit=3"])
    assert (config.output_root, config.task.data_dir) == ("/данные/мои файлы", "/日本")
    assert compose(["task.keys=[是,nein,öäü]"]).task.keys == ["是", "nein", "öäü"]
    assert compose(["output_root='/ä,b'"]).output_root == "/ä,b"
    assert sweep(["output_root=ä,b"], lambda made, _: made().output_root) == ["ä", "b"]
