"""T6 by hand: cells beside the controls at the same cell, and whose answer a control gives."""

from pathlib import Path

import pandas as pd
import pytest
from made_runs import write_run
from test_golden_study import CONTROL, VERDICTS

from xtransplant.analysis.contrasts import MACRO
from xtransplant.analysis.study import load_study
from xtransplant.reporting.tables import all_tables
from xtransplant.types import Cell


def t6(root: Path) -> pd.DataFrame:
    (table,) = [one for one in all_tables(load_study([root])) if one.name == "T6_controls"]
    return table.frame


def test_each_cell_beside_the_control_at_the_same_cell(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, CONTROL, control="noise")
    frame = t6(tmp_path)
    rows = frame.set_index(["language", "chosen"])[
        ["cell", "n", "baseline", "accuracy", "control_accuracy", "difference", "p"]
    ]
    best = "best cell (optimistic)"
    # Of fr, (0,0) has the same verdicts in both runs. (1,0) is right on q0, q1, q2 and q5, in the
    # control on q0 alone: three gained, none lost, 2 / 2^3.
    assert rows.loc[("fr", "coarse")].tolist() == ["0→0", 6, 2 / 6, 3 / 6, 3 / 6, 0, 1]
    assert rows.loc[("fr", best)].tolist() == ["1→0", 6, 2 / 6, 4 / 6, 1 / 6, 3 / 6, 1 / 4]
    # Of sw, (0,0) is right on q1 and q3, in the control on q3; (0,1) on q0, q1, q3 and q5, on q3.
    assert rows.loc[("sw", "coarse")].tolist() == pytest.approx(
        ["0→0", 6, 1 / 6, 2 / 6, 1 / 6, 1 / 6, 1], abs=1e-12
    )
    assert rows.loc[("sw", best)].tolist() == ["0→1", 6, 1 / 6, 4 / 6, 1 / 6, 3 / 6, 1 / 4]
    # Of all, (0,1) has 6 of 12, and 2 in the control.
    assert rows.loc[(MACRO, best)].tolist()[:6] == pytest.approx(
        ["0→1", 12, 3 / 12, 6 / 12, 2 / 12, 4 / 12]
    )
    assert set(frame["language"]) == {"fr", "sw", MACRO} and len(frame) == 6
    assert frame["interchange"].isna().all()
    # Benjamini and Hochberg: p times 6 over its rank, never more than that of a larger p.
    p = sorted(frame["p"])
    wanted = [min(p[later] * 6 / (later + 1) for later in range(rank, 6)) for rank in range(6)]
    assert sorted(frame["p_bh"]) == pytest.approx(wanted)


def test_a_cell_that_an_earlier_split_selected(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    # The split dev selects 1→0 for fr and 0→1 for sw; here the cells are in that order.
    cells, split = [Cell(1, 0), Cell(0, 1)], {"split": "test", "grid_name": "pairs"}
    clusters = [f"c{number}" for number in range(12)]
    tested = {"fr": ["010"] * 11 + ["101"], "sw": ["001"] * 10 + ["000"] * 2}
    control = {"fr": ["001"] * 9 + ["010"] * 3, "sw": ["010"] * 12}
    file = {"grid_file": "selected.yaml", "clusters": clusters, "first": 6}  # other instances
    write_run(tmp_path, tested, cells, **split, **file)
    write_run(tmp_path, control, cells, **split, **file, control="noise")
    frame = t6(tmp_path)
    own = frame[frame["chosen"].str.contains("overall (per language, dev to test)", regex=False)]
    found = own.set_index("language")[["cell", "accuracy", "control_accuracy"]]
    assert found.loc["fr"].tolist() == ["1→0", 11 / 12, 3 / 12]
    assert found.loc["sw"].tolist() == ["0→1", 10 / 12, 0]
    assert found.loc[MACRO].tolist() == ["1→0 0→1", pytest.approx(21 / 24), pytest.approx(3 / 24)]
    assert not frame["chosen"].str.contains("given|folds").any()


def test_whose_answer_a_control_gives(tmp_path: Path) -> None:
    # Texts are the digits, the gold answer is g. The control's answer at the cell is that of the
    # drawn question for q0; q1 drew a question with its own gold answer.
    write_run(tmp_path, {"fr": ["01", "01", "00", "01"]}, [Cell(0, 0)])
    drawn = ["0", "g", "0", "0"]
    write_run(
        *(tmp_path, {"fr": ["00", "00", "01", "0-"]}, [Cell(0, 0)]),
        **{"control": "random_instance", "source": "Another", "drawn": drawn},
    )
    rows = t6(tmp_path).set_index("control")
    assert set(rows["chosen"]) == {"coarse; given"}
    names = ["n", "accuracy", "control_accuracy", "interchange", "baseline_interchange"]
    found = {name: rows.loc[name, names].tolist() for name in rows.index}
    assert found == {
        "random_instance": pytest.approx([4, 3 / 4, 1 / 4, 1 / 4, 3 / 4]),
        "random_instance, same gold": pytest.approx([1, 1, 0, 0, 0]),
        "random_instance, other gold": pytest.approx([3, 2 / 3, 1 / 3, 1 / 3, 1]),
    }
