"""Cells, worked out by hand."""

import pytest

from xtransplant.config.grid import parse_cell, resolve_cells
from xtransplant.errors import LayerError
from xtransplant.types import Cell


def pairs(cells: list[Cell]) -> list[tuple[int, int]]:
    return [(cell.source_layer, cell.target_layer) for cell in cells]


def test_full_grid_runs_over_target_layers_first():
    assert pairs(resolve_cells(3)) == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (1, 2),
        (2, 0),
        (2, 1),
        (2, 2),
    ]


def test_rectangular_unordered_grid_keeps_the_order_given():
    cells = resolve_cells(30, source_layers=[14, 7], target_layers=[29, 3, 5])
    assert pairs(cells) == [(14, 29), (14, 3), (14, 5), (7, 29), (7, 3), (7, 5)]


def test_one_listed_axis_leaves_the_other_full():
    assert pairs(resolve_cells(3, target_layers=[2])) == [(0, 2), (1, 2), (2, 2)]
    assert pairs(resolve_cells(3, source_layers=[2])) == [(2, 0), (2, 1), (2, 2)]


def test_stride_takes_every_nth_layer_of_both_axes_from_0():
    assert pairs(resolve_cells(8, stride=5)) == [(0, 0), (0, 5), (5, 0), (5, 5)]
    assert pairs(resolve_cells(5, stride=2))[:4] == [(0, 0), (0, 2), (0, 4), (2, 0)]
    assert pairs(resolve_cells(4, stride=9)) == [(0, 0)]


def test_stride_does_not_thin_a_listed_axis():
    assert pairs(resolve_cells(6, source_layers=[1, 2], stride=4)) == [
        (1, 0),
        (1, 4),
        (2, 0),
        (2, 4),
    ]


def test_negative_layers_count_from_the_end():
    assert pairs(resolve_cells(32, pairs=[[-1, 0], [-32, -2]])) == [(31, 0), (0, 30)]
    assert pairs(resolve_cells(8, source_layers=[-1], target_layers=[-8])) == [(7, 0)]


def test_duplicates_are_kept_once_at_their_first_place():
    assert pairs(resolve_cells(8, pairs=[(3, 1), (7, 0), (3, 1), (-1, 0), (1, 3)])) == [
        (3, 1),
        (7, 0),
        (1, 3),
    ]
    assert pairs(resolve_cells(4, source_layers=[1, -3], target_layers=[0, 0])) == [(1, 0)]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            {"pairs": [[32, 0]]},
            "layer 32 is outside the model's 32 layers; allowed: -32 to 31 (negative from the end);"
            " nearest match: 31",
        ),
        (
            {"target_layers": [5, -33]},
            "layer -33 is outside the model's 32 layers; allowed: -32 to 31 (negative from the "
            "end); nearest match: -32",
        ),
        (
            {"source_layers": [100]},
            "layer 100 is outside the model's 32 layers; allowed: -32 to 31 (negative from the "
            "end); nearest match: 31",
        ),
        ({"pairs": [[1.5, 0]]}, "layer 1.5 is not an integer; allowed: -32 to 31"),
        (
            {"pairs": [[1, 2, 3]]},
            "malformed pair [1, 2, 3]; allowed: [source_layer,target_layer] such as [16,4]",
        ),
        (
            {"pairs": [7]},
            "malformed pair 7; allowed: [source_layer,target_layer] such as [16,4]",
        ),
        ({"pairs": []}, "the grid has no cells: pairs is empty; give pairs such as [[16,4]]"),
        (
            {"source_layers": []},
            "the grid has no cells: source_layers is empty; give layers such as [0,-1]",
        ),
        (
            {"target_layers": []},
            "the grid has no cells: target_layers is empty; give layers such as [0,-1]",
        ),
        ({"stride": 0}, "grid stride 0; allowed: 1 or more; nearest match: 1"),
        (
            {"pairs": [[0, 0]], "stride": 2},
            "a grid of pairs takes no source_layers, target_layers or stride; give either pairs or "
            "axes",
        ),
        (
            {"pairs": [[0, 0]], "source_layers": [0]},
            "a grid of pairs takes no source_layers, target_layers or stride; give either pairs or "
            "axes",
        ),
    ],
)
def test_a_bad_grid_is_one_line_with_the_remedy(grid, message):
    with pytest.raises(LayerError) as caught:
        resolve_cells(32, **grid)
    assert str(caught.value) == message


def test_edges_of_the_allowed_range_are_inside():
    assert pairs(resolve_cells(5, pairs=[[-5, 4], [4, -5]])) == [(0, 4), (4, 0)]


def test_parse_cell():
    assert parse_cell("16,4") == (16, 4)
    assert parse_cell("-1, 0") == (-1, 0)


@pytest.mark.parametrize("text", ["16", "16,4,2", "a,4", "", "1.0,2"])
def test_parse_cell_refuses(text):
    with pytest.raises(LayerError) as caught:
        parse_cell(text)
    assert str(caught.value) == (
        f"malformed cell {text!r}; allowed: SOURCE_LAYER,TARGET_LAYER such as 16,4 or -1,0"
    )
