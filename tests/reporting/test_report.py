"""Tables as text and figures as drawn, over runs whose verdicts are those of the golden study."""

import base64
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_runs import write_run
from matplotlib.figure import Figure
from matplotlib.image import imread
from test_golden_study import CONTROL, VERDICTS

from xtransplant.analysis import language_table
from xtransplant.analysis.language_table import language
from xtransplant.analysis.load import Runs
from xtransplant.analysis.study import load_study
from xtransplant.cli import app as cli
from xtransplant.config.grid_file import read_pairs
from xtransplant.reporting import curves, heatmaps
from xtransplant.reporting.drawing import written
from xtransplant.reporting.page import write_page
from xtransplant.reporting.table import Table
from xtransplant.reporting.table_formats import _csv, latex, markdown, shown_frame
from xtransplant.reporting.tables import all_tables

NAMES = [
    *(
        "T0_primary",
        "T1_coarse",
        "T2_upper_bounds",
        "T3_selected_pairs",
        "T4_significance",
        "T5_cost",
    ),
    *("T6_controls", "answers", "tries", "claims", "languages_and_models", "groups", "values"),
]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path / "runs", VERDICTS)
    write_run(tmp_path / "runs", CONTROL, control="noise")
    write_run(tmp_path / "runs", VERDICTS, module="attn")
    return tmp_path / "runs"


def drawn(monkeypatch: pytest.MonkeyPatch, module, draw, runs: Path) -> dict[str, Figure]:
    """Return what a module draws, by the name of its files."""
    figures: dict[str, Figure] = {}
    monkeypatch.setattr(
        module, "save", lambda figure, _, name: figures.update({name: figure}) or []
    )
    list(draw(load_study([runs]), runs))
    return figures


def test_report_writes_everything_and_never_imports_torch(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    code = (
        "import sys; from xtransplant.cli import app as cli; status = cli.main(sys.argv[1:]); "
        "sys.exit(status or 10 * ('torch' in sys.modules or 'transformers' in sys.modules))"
    )
    command = [sys.executable, "-c", code, "report", str(runs), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = {path.name for path in out.iterdir()}
    assert files >= {f"{name}{suffix}" for name in NAMES for suffix in (".csv", ".md", ".tex")}
    run = "quiz_dev_tiny_mlp_full"
    stems = [
        f"F{k}_{n}_{run}" for k, n in enumerate(("heatmap", "layers", "tries", "languages"), 1)
    ]
    for stem in [*stems, "F5_modules_quiz_dev_tiny_full"]:
        assert (out / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
        picture = imread(out / f"{stem}.png")[::8, ::8, :3]
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    assert "page.html" in files
    assert "T2_upper_bounds" in done.stdout and f"{len(files)} files" in done.stdout


def test_the_page_has_the_intervals_of_the_tables(tmp_path: Path) -> None:
    # sw has half the questions, so resamples of its own would be others than those of both.
    write_run(tmp_path / "runs", {"fr": VERDICTS["fr"], "sw": VERDICTS["sw"][:3]})
    study = load_study([tmp_path / "runs"])
    (coarse,) = [one.frame for one in all_tables(study) if one.name == "T1_coarse"]
    coarse = coarse.set_index("language")
    write_page(Runs([one.run for one in study.outcomes]), tmp_path / "page.html")
    packed = (tmp_path / "page.html").read_text("utf-8").partition('id="data">')[2]
    payload = json.loads(gzip.decompress(base64.b64decode(packed.partition("<")[0])))
    assert [view["language"] for view in payload["views"]] == ["fr", "sw"]
    for view in payload["views"]:
        wanted = coarse.loc[view["language"]]
        bounds = ("low", "high")
        assert [view["baseline"][bound][0] for bound in bounds] == pytest.approx(
            [wanted[f"baseline_{bound}"] for bound in bounds], abs=1e-6
        )
        assert [view["cells"][bound][0] for bound in bounds] == pytest.approx(
            [wanted[f"accuracy_{bound}"] for bound in bounds], abs=1e-6
        )


def test_tables_as_readers_see_them(runs: Path) -> None:
    tables = {table.name: table for table in all_tables(load_study([runs]))}
    shown = shown_frame(tables["T1_coarse"])
    row = shown[(shown.module == "mlp") & (shown.language == "fr")].iloc[0]
    assert row["cell"] == "0→0" and row["n"] == "6"
    assert row["baseline %"].startswith("33.3 [") and row["difference %"].startswith("+16.7 [")
    costs = tables["T5_cost"].frame
    costs = costs[costs.module == "mlp"].set_index("which")
    # 7 source and 9 target tokens, 2 new ones, 100 parameters in each of 2 layers, 50 above them:
    # 2 (200 (9 + 1) + 50 * 2) = 4200, and 2 * 7 * 100 for each layer of the source pass.
    assert costs.baseline_flops.tolist() == [4200] * 3
    assert costs.cell_flops.to_dict() == {
        "lowest source layer": 5600,
        "best cell": 5600,
        "highest source layer": 7000,
    }
    assert costs.relative_cost.tolist() == pytest.approx([4 / 3, 4 / 3, 5 / 3])
    assert costs.cell.tolist() == ["0→0", "0→1", "1→0"]
    shown_cost = shown_frame(tables["T5_cost"]).iloc[0]
    assert (shown_cost["source tokens"], shown_cost["grid flops"]) == ("7", "5e+09")
    assert shown_cost["grid new tokens"] == "8"
    text = markdown(tables["T1_coarse"], shown)
    heading, rule, first = text.splitlines()[2:5]
    assert heading.count("|") == rule.count("|") == first.count("|") == len(shown.columns) + 1
    sides = dict(zip(shown.columns, rule.split("|")[1:-1], strict=True))
    assert (sides["cell"], sides["n"], sides["baseline %"]) == (":--", "--:", "--:")
    tex = latex(tables["T1_coarse"], shown)
    assert r"\toprule" in tex and r"baseline \%" in tex and r"0$\to$0" in tex
    assert tex.count(r"\\") == len(shown) + 1


def test_letters_that_mean_something_elsewhere_are_escaped(runs: Path) -> None:
    frame = all_tables(load_study([runs]))[1].frame.head(1).assign(model="a|b_c & 5 % {x}\\y")
    table = Table("T", "title", "note", frame, ())
    shown = shown_frame(table)
    assert r"| a\|b_c & 5 % {x}\y |" in markdown(table, shown)
    assert r"a|b\_c \& 5 \% \{x\}\textbackslash{}y & " in latex(table, shown)


def test_f1_shows_each_cell_at_its_layers(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(monkeypatch, heatmaps, heatmaps.draw_heatmaps, runs)[
        "F1_heatmap_quiz_dev_tiny_mlp_full"
    ]
    panels = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title().split("\n")[0] for axis in panels] == ["fr", "sw", "macro average"]
    # fr: 3, 2, 4 and 2 of 6 right with (0,0), (0,1), (1,0) and (1,1), 2 without.
    values = np.asarray(panels[0].images[0].get_array())
    assert values == pytest.approx(100 / 6 * np.array([[1, 0], [2, 0]]))
    assert panels[0].images[0].origin == "lower"
    assert (panels[0].get_xlabel(), panels[0].get_ylabel()) == ("target layer", "source layer")
    sw = np.asarray(panels[1].images[0].get_array())
    assert sw == pytest.approx(100 / 6 * np.array([[1, 3], [-1, 0]]))
    # Both panels on one scale, symmetric about no difference.
    ends = [end for axis in panels for end in axis.images[0].get_clim()]
    assert ends == pytest.approx([-50, 50] * 3)


def test_f1_marks_what_is_significant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path, {"fr": ["01000"] * 12 + ["00101"] * 3})
    (figure,) = drawn(monkeypatch, heatmaps, heatmaps.draw_heatmaps, tmp_path).values()
    # (0,0) gains 12 and loses none; 3 of 15 with (0,1) and (1,1) are p = 0.25.
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[0, 0]]


def test_f2_and_f3_end_at_the_bounds(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = drawn(monkeypatch, curves, curves.draw_layer_curves, runs)
    panels = layers["F2_layers_quiz_dev_tiny_mlp_full"].axes
    lines = {line.get_label(): line.get_ydata() for line in panels[0].lines}
    assert lines["transplant"] == pytest.approx([400 / 6, 500 / 6])
    assert lines["noise"] == pytest.approx([300 / 6, 200 / 6])
    assert lines["baseline"] == pytest.approx([200 / 6, 200 / 6])
    target = {line.get_label(): line.get_ydata() for line in panels[1].lines}
    assert target["transplant"] == pytest.approx([500 / 6, 300 / 6])
    assert panels[0].get_xlabel() == "source layer (any target layer)"

    tries = drawn(monkeypatch, curves, curves.draw_tries, runs)
    panel = tries["F3_tries_quiz_dev_tiny_mlp_full"].axes[0]
    line = panel.lines[0]
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    # Of four cells fr has 3, 1, 2, 2, 0 and 3 right: means of 1 - C(4 - c, K) / C(4, K).
    assert line.get_ydata()[0] == pytest.approx(100 * (3 + 1 + 2 + 2 + 0 + 3) / 24)
    assert line.get_ydata()[1] == pytest.approx(100 / 6 * (1 + 3 / 6 + 5 / 6 + 5 / 6 + 0 + 1))
    assert line.get_ydata()[-1] == pytest.approx(500 / 6)


def test_f4_places_languages(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = drawn(monkeypatch, curves, curves.draw_languages, runs)
    distance, resources = figures["F4_languages_quiz_dev_tiny_mlp_full"].axes
    assert [text.get_text() for text in distance.texts] == ["fr", "sw"]
    assert distance.lines[1].get_xdata().tolist() == [0.454, 0.547]
    assert resources.lines[1].get_xdata().tolist() == [5, 2]
    assert distance.get_xlabel() == "featural distance to English (URIEL+)"


def test_gains_stand_against_the_distance_of_the_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, VERDICTS, pivot="de")
    figures = drawn(monkeypatch, curves, curves.draw_languages, tmp_path)
    panel, _ = figures["F4_languages_quiz_dev_tiny_mlp_full_de"].axes
    assert panel.get_xlabel() == "featural distance to de (URIEL+)"
    assert panel.lines[1].get_xdata().tolist() == [0.39, 0.579]  # from de to fr and to sw


def test_distances_are_symmetric_and_0_to_oneself() -> None:
    distance = language_table.distance
    assert distance("en", "fr") == distance("fr", "en-GB") == 0.454
    assert distance("fr", "fr") == 0 and distance("fr", "tlh") is None
    assert distance("tlh", "tlh") is None


@pytest.mark.parametrize("code", ["zh", "zh-CN", "zh_tw", "zh-Hant"])
def test_regions_are_their_language(code: str) -> None:
    found, without = language(code), language("tlh")
    assert found and found.resource_class == 5 and without is None


def test_any_script_is_drawn_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert written("Ёж žluťoučký ∆") == "Ёж žluťoučký ∆"
    assert written("a\u0378b") == "a[U+0378]b"  # no font can hold what Unicode does not have
    write_run(tmp_path / "runs", VERDICTS, model_name="模型 नमूना แบบ $x$ \u0378")
    # A letter that no font in use holds is a warning of matplotlib, so an error here.
    assert cli.main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0


def test_select_writes_what_run_reads(runs: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "selected.yaml"
    folder = runs / "quiz" / "tiny" / "mlp"
    command = ["select", str(folder), "--strategy", "target_first", "--output", str(file)]
    assert cli.main(command) == 0
    assert read_pairs(file) == [[1, 0], [0, 0]]
    text = file.read_text("utf-8")
    assert "optimistic" in text and "fr: 0.667, baseline 0.333" in text
    assert cli.main(["select", str(folder), "--pooled"]) == 0
    assert "all: [0, 1]" in capsys.readouterr().out
    # A grid on a later split judges what the first selects.
    write_run(runs, VERDICTS, split="test", first=6)
    assert cli.main(["select", str(folder), "--pooled"]) == 0
    assert "split: dev" in capsys.readouterr().out
    assert cli.main(["select", str(runs)]) == 2
    assert "contains 2 experiments with several cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("pairs: {fr: [1, x]}", "has [1, 'x'] for fr"),
        ("pairs: {}", "has no pairs"),
        ("a: [", "is not YAML"),
        (None, "No such file"),
    ],
)
def test_a_bad_grid_file_is_one_line(tmp_path: Path, capsys, content, message) -> None:
    file = tmp_path / "pairs.yaml"
    if content is not None:
        file.write_text(content, "utf-8")
    assert cli.main(["run", "grid=pairs", f"grid.file={file}", "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_the_report_refuses_controls_alone(tmp_path: Path, capsys) -> None:
    write_run(tmp_path / "runs", CONTROL, control="noise")
    assert cli.main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 2
    assert "has only controls" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cell", ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_text_in_csv_is_no_formula(cell):
    read = pd.read_csv(io.StringIO(_csv(pd.DataFrame({"name": [cell, "plain"], "x": [-1.5, 2]}))))
    assert read.name.tolist() == [f"'{cell}", "plain"]
    assert read.x.tolist() == [-1.5, 2.0]  # numbers stay numbers
