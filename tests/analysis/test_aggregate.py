"""Two languages on a rectangular grid, worked out by hand.

Cells (source layer, target layer); g is the gold answer, a letter another answer, - unparsable:

                 baseline   (1,0)  (1,5)  (3,0)  (3,5)
    fr  a  gold g     x        g      g      x      -
    fr  b  gold g     g        g      -      y      g
    fr  c  gold g     -        -      -      -      -
    sw  a  gold h     x        y      x      h      z
    sw  b  gold g     x        x      x      x      x
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xtransplant.analysis.aggregate import instances_frame, pairs_frame, summarise
from xtransplant.errors import OutputError
from xtransplant.runner.views import aggregate_run
from xtransplant.store.columns import Row
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Cell, Generation, Instance, LanguageSummary, Score

CELLS = [None, (1, 0), (1, 5), (3, 0), (3, 5)]
ANSWERS = {
    ("fr", "a"): "xggx-",
    ("fr", "b"): "gg-yg",
    ("fr", "c"): "-----",
    ("sw", "a"): "xyxhz",
    ("sw", "b"): "xxxxx",
}
GOLDS = dict.fromkeys(ANSWERS, "g") | {("sw", "a"): "h"}


def generations(order=None):
    rows = [
        {
            "instance_id": instance,
            "language": language,
            "control": "none",
            "source_layer": cell[0] if cell else None,
            "target_layer": cell[1] if cell else None,
            "answer": None if answer == "-" else answer,
            "correct": answer == GOLDS[language, instance],
        }
        for (language, instance), answers in ANSWERS.items()
        for cell, answer in zip(CELLS, answers, strict=True)
    ]
    frame = pd.DataFrame([rows[i] for i in (order if order is not None else range(len(rows)))])
    return frame.astype({"source_layer": "Int16", "target_layer": "Int16"})


def records(frame):
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def test_instances():
    names = [
        *("instance_id", "language", "control", "gold", "baseline_answer", "baseline_correct"),
        *("n_cells", "n_correct", "n_distinct_answers", "upper_bound_correct"),
        *("source_fixed_correct", "target_fixed_correct"),
    ]
    # source_fixed: layers 1, 3; target_fixed: layers 0, 5.
    expected = [
        ("a", "fr", "none", "g", "x", False, 4, 2, 2, True, [True, False], [True, True]),
        ("b", "fr", "none", "g", "g", True, 4, 2, 2, True, [True, True], [True, True]),
        ("c", "fr", "none", "g", None, False, 4, 0, 0, False, [False, False], [False, False]),
        ("a", "sw", "none", "h", "x", False, 4, 1, 4, True, [False, True], [True, False]),
        ("b", "sw", "none", "g", "x", False, 4, 0, 1, False, [False, False], [False, False]),
    ]
    frame = instances_frame(generations(), GOLDS)
    assert list(frame.columns) == names
    assert records(frame) == [dict(zip(names, row, strict=True)) for row in expected]


def test_pairs():
    names = [
        *("language", "control", "source_layer", "target_layer", "n", "n_correct"),
        *("accuracy", "baseline_accuracy", "n_gained", "n_lost"),
    ]
    expected = [
        ("fr", "none", 1, 0, 3, 2, 2 / 3, 1 / 3, 1, 0),
        ("fr", "none", 1, 5, 3, 1, 1 / 3, 1 / 3, 1, 1),
        ("fr", "none", 3, 0, 3, 0, 0.0, 1 / 3, 0, 1),
        ("fr", "none", 3, 5, 3, 1, 1 / 3, 1 / 3, 0, 0),
        ("sw", "none", 1, 0, 2, 0, 0.0, 0.0, 0, 0),
        ("sw", "none", 1, 5, 2, 0, 0.0, 0.0, 0, 0),
        ("sw", "none", 3, 0, 2, 1, 0.5, 0.0, 1, 0),
        ("sw", "none", 3, 5, 2, 0, 0.0, 0.0, 0, 0),
    ]
    frame = pairs_frame(generations())
    assert list(frame.columns) == names
    assert records(frame) == [dict(zip(names, row, strict=True)) for row in expected]


def test_summary():
    frame = generations()
    assert summarise(instances_frame(frame, GOLDS), pairs_frame(frame)) == [
        LanguageSummary("fr", 3, 1 / 3, Cell(1, 0), 2 / 3, 2 / 3),
        LanguageSummary("sw", 2, 0.0, Cell(3, 0), 0.5, 0.5),
    ]


def test_the_order_of_rows_and_of_cells_does_not_count():
    shuffled = np.random.default_rng(0).permutation(25)
    frame = instances_frame(generations(shuffled), GOLDS)
    key = ["language", "instance_id"]
    pd.testing.assert_frame_equal(
        frame.sort_values(key).reset_index(drop=True),
        instances_frame(generations(), GOLDS).sort_values(key).reset_index(drop=True),
    )
    pd.testing.assert_frame_equal(
        pairs_frame(generations(shuffled))
        .sort_values(["language", "source_layer", "target_layer"])
        .reset_index(drop=True),
        pairs_frame(generations()),
    )


def test_languages_keep_their_order():
    frame = generations([*range(15, 25), *range(15)])
    assert list(instances_frame(frame, GOLDS)["language"]) == ["sw", "sw", "fr", "fr", "fr"]
    assert list(pairs_frame(frame)["language"]) == ["sw"] * 4 + ["fr"] * 4


def test_the_same_instance_id_in_two_languages_is_two_instances():
    frame = instances_frame(generations(), GOLDS)
    assert frame["instance_id"].tolist() == ["a", "b", "c", "a", "b"]


@pytest.mark.parametrize(
    ("correct", "best"),
    [
        ({(4, 2), (0, 1), (3, 1)}, (3, 1)),  # smallest target layer, then largest source layer
        ({(0, 1), (7, 2)}, (0, 1)),
        ({(0, 2), (7, 2)}, (7, 2)),
        ({(11, 2), (7, 2)}, (11, 2)),  # layers are numbers, not texts
        ({(0, 11), (0, 2)}, (0, 2)),
        (set(), (11, 1)),  # none is right: all tie at 0
    ],
)
def test_tie_rule(correct, best):
    cells = [(i, j) for i in (0, 3, 4, 7, 11) for j in (1, 2, 11)]
    frame = pd.DataFrame(
        {
            "instance_id": "a",
            "language": "fr",
            "control": "none",
            "source_layer": pd.array([None, *(i for i, _ in cells)], dtype="Int16"),
            "target_layer": pd.array([None, *(j for _, j in cells)], dtype="Int16"),
            "answer": "x",
            "correct": [False, *(cell in correct for cell in cells)],
        }
    )
    (row,) = summarise(instances_frame(frame, {("fr", "a"): "g"}), pairs_frame(frame))
    assert row.best_cell == Cell(*best)
    assert row.best_cell_accuracy == row.upper_bound_accuracy == (1.0 if correct else 0.0)


def test_a_right_baseline_is_no_upper_bound():
    frame = generations([5, 7])  # of fr b: the baseline, right, and cell (1,5), unparsable
    (row,) = records(instances_frame(frame, GOLDS))
    assert (row["baseline_correct"], row["upper_bound_correct"]) == (True, False)
    assert (row["n_cells"], row["n_correct"], row["n_distinct_answers"]) == (1, 0, 0)


def test_a_grid_of_pairs_has_the_layers_that_occur():
    frame = generations([0, 2, 3, 15, 17, 18])  # cells (1,5) and (3,0) only
    rows = records(instances_frame(frame, GOLDS))
    assert [row["source_fixed_correct"] for row in rows] == [[True, False], [False, True]]
    assert [row["target_fixed_correct"] for row in rows] == [[False, True], [True, False]]


def test_no_parts_yet():
    frame = generations().iloc[:0]
    instances, pairs = instances_frame(frame, {}), pairs_frame(frame)
    assert (len(instances), len(pairs), summarise(instances, pairs)) == (0, 0, [])


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([1, 2, 3], "instance a (fr) has 0 baseline rows; allowed: 1; remove its part"),
        ([0, 1, 2, 5, 5, 6], "instance b (fr) has 2 baseline rows; allowed: 1; remove its part"),
        ([0, 1, 2, 15, 17, 18, 17], "instance a (sw) has cell 1,5 more than once; remove its part"),
    ],
)
@pytest.mark.parametrize("view", [lambda frame: instances_frame(frame, GOLDS), pairs_frame])
def test_rows_that_make_no_grid(view, order, message):
    with pytest.raises(OutputError) as error:
        view(generations(order))
    assert str(error.value) == message + " and run the same command again"


def test_aggregate_run_writes_what_it_sums_up(tmp_path: Path):
    folder = RunFolder(tmp_path / "run", "k")
    folder.open_or_create({}, {"fr": 1, "sw": 1, "zh": 2})
    for language in ("fr", "sw"):
        rows = [
            Row(
                Instance(instance, language, "en", language, "s", "t", GOLDS[language, instance]),
                Cell(*cell) if cell else None,
                Generation((1,), answer, "eos"),
                {
                    "paper-2": Score(
                        None if answer == "-" else answer, answer == GOLDS[language, instance]
                    )
                },
            )
            for (its_language, instance), answers in ANSWERS.items()
            if its_language == language
            for cell, answer in zip(CELLS, answers, strict=True)
        ]
        folder.write_part(language, 0, "none", rows)
    half = Instance("x-1", "zh", "en", "zh", "s", "t", "1")
    scores = {"paper-2": Score("1", True)}
    folder.write_part("zh", 0, "none", [Row(half, None, Generation((1,), "1", "eos"), scores)])
    assert folder.complete_languages() == ["fr", "sw"]
    assert aggregate_run(folder) == [
        LanguageSummary("fr", 3, 1 / 3, Cell(1, 0), 2 / 3, 2 / 3, 1, 3 * 5, 0),
        LanguageSummary("sw", 2, 0.0, Cell(3, 0), 0.5, 0.5, 1, 2 * 5, 0),
    ]
    instances = pd.read_parquet(folder.path / "instances.parquet")
    assert instances["n_distinct_answers"].tolist() == [2, 2, 0, 4, 1]
    assert instances["target_fixed_correct"].map(list).tolist()[3] == [True, False]
    pairs = pd.read_parquet(folder.path / "pairs.parquet")
    assert pairs["n_lost"].tolist() == [0, 1, 1, 0, 0, 0, 0, 0]
