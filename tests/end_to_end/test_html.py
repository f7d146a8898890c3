"""The page as a file: what is in it, and what is refused; no browser needed."""

import base64
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from page_runs import (
    BASELINE,
    CELLS,
    HOSTILE,
    SWAHILI,
    interval_of_four,
    write_big_run,
    write_run,
    write_runs,
)

import xtransplant as xt
from xtransplant.errors import OutputError
from xtransplant.reporting.page import write_page
from xtransplant.store.columns import Row
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Cell, Generation, Instance, Score


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    write_runs(root)
    return root


def payload_text(page: str) -> str:
    packed = re.search(r'id="data">([A-Za-z0-9+/=]+)</script>', page)
    assert packed
    return packed[1]


def payload_of(page: Path) -> dict[str, Any]:
    packed = payload_text(page.read_text("utf-8"))
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_the_numbers_are_those_of_the_runs(results: Path, tmp_path: Path) -> None:
    write_page(xt.load_runs(results), tmp_path / "page.html")
    payload = payload_of(tmp_path / "page.html")
    assert "clusters" in payload["interval"]
    views = [view for view in payload["views"] if view["task"] == "toy"]
    assert [(view["module"], view["control"], view["language"]) for view in views] == [
        *[("attn", "none", "de"), ("mlp", "none", "de"), ("mlp", "none", "sw")],
        ("mlp", "noise", "sw"),
    ]
    view = views[2]
    cells = view["cells"]
    assert list(zip(cells["source_layer"], cells["target_layer"], strict=True)) == [
        (cell.source_layer, cell.target_layer) for cell in CELLS
    ]
    assert cells["accuracy"] == [1, 0.5, 0, 0.75]
    assert (cells["n_gained"], cells["n_lost"]) == ([2, 0, 0, 2], [0, 0, 2, 1])
    bounds = [interval_of_four(count) for count in (4, 2, 0, 3)]
    assert [100 * low for low in cells["low"]] == pytest.approx([b[0] for b in bounds], abs=1e-3)
    assert [100 * high for high in cells["high"]] == pytest.approx([b[1] for b in bounds], abs=1e-3)
    assert "".join(map(str, view["correct"])) == BASELINE + "".join(SWAHILI[c] for c in CELLS)
    texts = [payload["texts"][position] for position in view["text"]]
    assert texts[:5] == [*(f"sw baseline {k}" for k in range(4)), "sw 0,0 0"]
    assert texts[-1] == "sw 7,5 3"
    assert view["answer"][2] == -1  # a wrong answer of these runs could not be read


def test_nothing_in_the_file_leads_out_of_it(results: Path, tmp_path: Path) -> None:
    write_page(xt.load_runs(results), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    packed = payload_text(page)
    rest = page.replace(packed, "")
    assert len(rest) < 50_000 and HOSTILE not in rest
    assert re.findall(r"https?:|src=|href=|@import|url\(|fetch\(|import\(", rest) == []
    assert (page.count("<script"), page.count("</script>")) == (2, 2)
    assert "{{" not in rest


def test_fifty_thousand_rows_stay_small(tmp_path: Path) -> None:
    write_big_run(tmp_path)
    write_page(xt.load_runs(tmp_path), tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 15e6


def test_no_torch_is_needed(results: Path, tmp_path: Path) -> None:
    code = (
        "import sys, xtransplant as xt; from xtransplant.reporting.page import write_page; "
        f"write_page(xt.load_runs({str(results)!r}), {str(tmp_path / 'page.html')!r}); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_same_runs_give_the_same_file(results: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_page(xt.load_runs(results), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_rows_that_are_no_grid_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, "aaaa", {"sw": SWAHILI})
    folder = RunFolder(tmp_path / "toy" / "tiny" / "mlp" / "aaaa", "aaaa")
    generation, scores = Generation((1,), "x", "eos"), {"paper-2": Score("x", correct=True)}
    rows = [
        Row(Instance(name, "sw", "en", "sw", "s", "t", "g"), cell, generation, scores)
        for name, cell in (("q8", None), ("q8", Cell(0, 5)), ("q9", None))
    ]
    folder.write_part("sw", 0, "none", rows)
    with pytest.raises(OutputError, match=r"language sw has 3 rows, not one baseline and 1 cells"):
        write_page(xt.load_runs(tmp_path), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_is_one_line(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^cannot write .*page.html: .*; choose a folder"):
        write_page(xt.load_runs(results), tmp_path / "file" / "page.html")
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OutputError, match=r"^cannot write .*page.html: it is not a regular file"):
        write_page(xt.load_runs(results), tmp_path / "page.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "page.html"]


def test_runs_without_a_row_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path, "aaaa", {}, status="running")
    with pytest.raises(OutputError, match=r"no results yet in .*aaaa or any other of 1 runs"):
        write_page(xt.load_runs(tmp_path), tmp_path / "page.html")
