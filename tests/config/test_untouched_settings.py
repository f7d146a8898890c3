"""Settings of runs of the untouched model that make no sense are refused in one line."""

import pytest

from xtransplant.config.compose import compose
from xtransplant.config.grid_file import run_cells
from xtransplant.errors import ConfigError


def test_grid_none_has_no_cells() -> None:
    assert run_cells(compose(["grid=none"]).grid, 8) == []
    assert len(run_cells(compose([]).grid, 8)) == 64


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["grid=none", "grid.pairs=[[0,0]]"], "grid=none has no cells, and cells are given"),
        (["grid=none", "grid.stride=2"], "grid=none has no cells, and cells are given"),
        (
            ["grid=none", "control=samples"],
            "control=samples has no effect with grid=none, which has no cells; allowed: "
            "control=none",
        ),
        (["grid=none", "control=noise"], "control=noise has no effect with grid=none"),
        (
            ["decode.temperature=0.7"],
            "decode.temperature=0.7 has no effect without control=samples",
        ),
        (["control=noise", "decode.temperature=2"], "decode.temperature=2 has no effect"),
        *(
            (
                ["control=samples", f"decode.temperature={value}"],
                f"bad value {value} for decode.temperature; allowed: a number above 0",
            )
            for value in ("0", "-1", "nan", "inf")
        ),
        (
            ["control=samples", "decode.temperature=hot"],
            "bad value 'hot' for decode.temperature; allowed: a number",
        ),
    ],
)
def test_what_makes_no_sense_is_one_line(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        compose(overrides)
    assert message in str(raised.value) and "\n" not in str(raised.value)
