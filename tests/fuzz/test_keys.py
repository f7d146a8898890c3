"""The run key: what changes prompts or answers changes it, and nothing else does."""

import json
from copy import deepcopy
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from damage import json_bytes, swapped
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xtransplant.config.compose import compose
from xtransplant.config.run_key import run_key
from xtransplant.config.schema import RunConfig
from xtransplant.config.schema_keys import schema_keys
from xtransplant.tasks.own import OwnPrompts
from xtransplant.types import Cell

SEES_NOTHING = (
    *("device", "device_map", "output_root", "dry_run", "rows_per_batch", "shard.index"),
    *("shard.count", "languages", "task.scorer", "model.name", "model.about.licence", "grid.name"),
)
"""Settings that change no row; typed out, not taken from the table of the code."""
COUNTS = (
    *("module", "direction", "split", "limit", "control", "decode.max_new_tokens", "model.dtype"),
    *("prompt.style", "prompt.instruction_language", "task.pivot", "task.sample_size", "seed"),
    *("task.sample_seed", "task.sample_by", "task.lost_markers", "model.language_token"),
)
"""Settings that change rows, in a run that draws."""

Cells = list[tuple[int, int]]


@pytest.fixture(scope="module")
def drawing() -> RunConfig:
    return compose(["control=noise"])


def changed(config: RunConfig, changes: dict[str, int]) -> RunConfig:
    config = deepcopy(config)
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        holder = attrgetter(section)(config) if section else config
        old, type_ = getattr(holder, name), schema_keys()[key]
        new: Any = 1000 + value if "int" in type_ or isinstance(old, int) else f"other-{value}"
        setattr(holder, name, new)
    return config


def key_of(config: RunConfig, cells: Cells, data: str = "d", model: str = "m") -> str:
    grid = [Cell(*pair) for pair in cells]
    return run_key(config, data_fingerprint=data, model_identity=model, cells=grid)


SOME_CELLS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5)


@settings(max_examples=5 * settings.default.max_examples)
@given(
    st.dictionaries(st.sampled_from(COUNTS), st.integers(0, 2), max_size=3),
    st.sampled_from(COUNTS),
    st.integers(0, 2),
    st.dictionaries(st.sampled_from(SEES_NOTHING), st.integers(0, 2), max_size=4),
    SOME_CELLS,
)
def test_two_runs_share_a_key_where_all_that_counts_is_equal(
    drawing: RunConfig,
    one: dict[str, int],
    key: str,
    value: int,
    unseen: dict[str, int],
    cells: Cells,
) -> None:
    other = one | {key: value}
    # A control by another name draws nothing that is known, so its seed counts for nothing.
    assume("seed" not in other or "control" not in other)
    keys = [key_of(changed(drawing, changes), cells) for changes in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)
    assert key_of(changed(changed(drawing, one), unseen), cells) == keys[0]


@given(SOME_CELLS, SOME_CELLS, st.randoms())
def test_cells_count_as_a_set(drawing: RunConfig, one: Cells, other: Cells, random: Any) -> None:
    shuffled = [*one, one[0]]
    random.shuffle(shuffled)
    assert key_of(drawing, shuffled) == key_of(drawing, one)
    assert (key_of(drawing, one) == key_of(drawing, other)) == (set(one) == set(other))


@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_data_and_model_count(drawing: RunConfig, a: str, b: str, c: str, d: str) -> None:
    same = (a, b) == (c, d)
    texts = [text.encode(errors="replace").decode() for text in (a, b, c, d)]
    assume(texts == [a, b, c, d])
    assert (key_of(drawing, [(0, 0)], a, b) == key_of(drawing, [(0, 0)], c, d)) == same


ROW = {"id": "q1", "language": "sw", "source": "Is it?", "target": "Ni?", "gold": "A"}


@given(st.data())
def test_prompts_that_differ_have_other_keys(
    place: Path, drawing: RunConfig, data: st.DataObject
) -> None:
    row = data.draw(swapped(ROW))
    assume(json.dumps(row) != json.dumps(ROW))
    keys = []
    for each in (ROW, row):
        path = place / "own.jsonl"
        path.write_bytes(json_bytes(each))
        own = OwnPrompts(path, "en", lambda text, _language: text)
        keys.append(key_of(drawing, [(0, 0)], own.fingerprint("")))
    assert keys[0] != keys[1]
