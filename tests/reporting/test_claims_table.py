"""Claims, groups, tries and seeds by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_runs import write_run
from test_golden_study import CONTROL, VERDICTS

from xtransplant.analysis.study import load_study
from xtransplant.reporting.tables import all_tables
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import write_verdicts
from xtransplant.types import Cell, Score

ATTN = {
    "fr": ["11110", "01010", "01010", "11001", "01000", "00111"],
    "sw": ["00100", "01100", "00000", "11100", "00001", "00100"],
}
"""As the golden study, but (0,0) answers q1 and q4 of fr too."""


def frames(root: Path) -> dict[str, pd.DataFrame]:
    return {table.name: table.frame for table in all_tables(load_study([root]))}


def test_claims_of_the_golden_study(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, ATTN, module="attn", n_layers=2)
    claims = frames(tmp_path)["claims"]

    def row(claim: str, measure: str, sample: str, module: str = "mlp") -> dict[str, object]:
        facts = {"claim": claim, "measure": measure, "sample": sample, "module": module}
        chosen = np.all([claims[name] == value for name, value in facts.items()], axis=0)
        (found,) = claims[chosen].to_dict("records")
        return found

    name = "attention against feed-forward"
    bound = row(name, "upper bound", "instances", "attn - mlp")
    # Of fr, attention's bound answers q4 too; nothing else differs. 1/6 and 0, mean 1/12.
    assert bound["difference"] == pytest.approx(1 / 12)
    assert (bound["n"], bound["test"], bound["p"]) == (12, "sign_flip", 1)
    # The coarse cells are 1→0 for attention: fr 4 of 6, sw none, and 0→0 for mlp: 3 and 2 of 6.
    coarse = row(name, "coarse cell", "instances", "attn - mlp")
    assert coarse["difference"] == pytest.approx((1 / 6 - 2 / 6) / 2)
    # Over depth: by hand, least squares through the gains of the four cells of the macro average.
    gains = [5 / 12 - 1 / 4, 6 / 12 - 1 / 4, 4 / 12 - 1 / 4, 3 / 12 - 1 / 4]
    wanted = {
        "source depth": np.polyfit([0, 0, 1, 1], gains, 1)[0],
        "target depth": np.polyfit([0, 1, 0, 1], gains, 1)[0],
        "target less source depth": np.polyfit([0, 1, -1, 0], gains, 1)[0],
    }
    depth = claims[(claims["claim"] == "trend over depth") & (claims["module"] == "mlp")]
    found = dict(zip(depth["compared"], depth["difference"], strict=True))
    for name, slope in wanted.items():
        assert found[f"{name}, from first to last layer"] == pytest.approx(slope), name
    # French has class 5, Swahili class 2: two languages say nothing of languages.
    name = "low- against high-resource languages"
    assert row(name, "coarse cell", "instances")["difference"] == pytest.approx(1 / 6 - 1 / 6)
    remark = str(row(name, "coarse cell", "languages")["remark"])
    assert remark.startswith("needs two languages of each")
    distance = row("gain by distance of the two languages", "coarse cell", "languages")
    assert distance["remark"] == "needs 5 languages of known distance"


def test_groups_and_tries_of_the_golden_study(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    write_run(tmp_path, CONTROL, control="noise")
    found = frames(tmp_path)
    groups = found["groups"].set_index(["measure", "by", "group"])
    row = groups.loc[("upper bound", "language family", "Niger-Congo")]
    assert (row["n"], row["baseline"], row["accuracy"]) == (6, 1 / 6, 5 / 6)
    assert groups.loc[("coarse cell", "resource class", "5"), "difference"] == pytest.approx(1 / 6)
    tries = found["tries"].set_index(["language", "tries"])
    # One try is the mean cell: 11 of 24 of fr, 9 of 24 of sw; noise 6 and 5 of 24.
    assert tries.loc[("fr", 1), "bound"] == pytest.approx(11 / 24)
    assert tries.loc[("fr", 1), "difference"] == pytest.approx(5 / 24)
    assert tries.loc[("fr", 4), "difference"] == pytest.approx(2 / 6)
    assert (tries["remark"] == "").all()


def test_a_control_at_the_ceiling_cannot_tell(tmp_path: Path) -> None:
    write_run(tmp_path, {"fr": ["01111"] * 12})
    write_run(tmp_path, {"fr": ["01100"] * 12}, control="noise")
    tries = frames(tmp_path)["tries"].set_index("tries")["remark"]
    assert (tries[1], tries[4]) == ("", "cannot tell: the control is above 97 %")


def test_seeds_are_averaged_by_instance(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    own = rng.random((40, 2)) < [0.3, 0.7]
    drawn = [rng.random((40, 2)) < [0.3, share] for share in (0.3, 0.5, 0.2)]
    for one in drawn:
        one[:, 0] = own[:, 0]  # the baseline is the same
    lines = [["".join("01"[int(v)] for v in row) for row in rows] for rows in (own, *drawn)]
    write_run(tmp_path, {"fr": lines[0]}, [Cell(0, 0)])
    for seed, verdicts in enumerate(lines[1:]):
        write_run(tmp_path, {"fr": verdicts}, [Cell(0, 0)], control="random_instance", seed=seed)
    (row,) = frames(tmp_path)["T6_controls"].to_dict("records")
    figures = [one[:, 1].mean() for one in drawn]
    assert (row["seeds"], row["test"]) == (3, "seeds")
    assert row["control_accuracy"] == pytest.approx(np.mean(figures))
    differences = own[:, 1] - np.mean([one[:, 1] for one in drawn], axis=0)
    assert row["difference"] == pytest.approx(differences.mean())
    # The interval is at least that of both sources of variance by the normal distribution.
    variance = differences.var(ddof=1) / 40 + np.var(figures, ddof=1) / 3
    assert row["difference_high"] - row["difference_low"] > 2 * 1.96 * np.sqrt(variance)
    answers = frames(tmp_path)["answers"].set_index("control")
    assert answers.loc["random_instance", "seeds"] == 3 and len(answers) == 2


def test_both_directions_of_a_task(tmp_path: Path) -> None:
    write_run(tmp_path, VERDICTS)
    other = {"fr": [f"0{line[1:]}" for line in VERDICTS["fr"]], "sw": VERDICTS["sw"]}
    write_run(tmp_path, other, direction="x_to_en", control="none", seed=5, gold="h")
    claims = frames(tmp_path)["claims"]
    (row,) = claims[
        (claims["claim"] == "direction of the transplant") & (claims["measure"] == "upper bound")
    ].to_dict("records")
    assert row["compared"] == row["direction"] == "en_to_x - x_to_en"
    # Without its baseline of 2 of 6, fr gains 2/6 more the other way.
    assert row["difference"] == pytest.approx(-1 / 6)


def test_values_of_a_scorer(tmp_path: Path) -> None:
    path = write_run(tmp_path, {"fr": ["010", "001"]}, [Cell(0, 0), Cell(1, 1)])
    folder = RunFolder(path, path.name)
    (part,) = folder.parts()
    # Baseline and two cells of two instances.
    values = [0.1, 0.5, 0.2, 0.3, 0.4, 0.9]
    scores = [Score(None, False, value) for value in values]
    write_verdicts(folder, part.name, pq.read_table(part), "f1-1", scores)
    write_verdicts(folder, part.name, pq.read_table(part), "none-1", [Score(None, False)] * 6)
    found = frames(tmp_path)["values"]
    assert set(found["scorer"]) == {"f1-1"}
    row = found.set_index("cell").loc["0→0"]
    names = ["n", "baseline_value", "value", "difference", "mean_cell_value", "bound_value"]
    # Cell 0→0: .5 and .4; the best of each instance: .5 and .9.
    assert row[names].tolist() == pytest.approx([2, 0.2, 0.45, 0.25, 0.5, 0.7])
