"""The cells of a grid, computed from its settings and the number of layers."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

from xtransplant.errors import LayerError
from xtransplant.types import Cell


def resolve_cells(
    n_layers: int,
    source_layers: Sequence[int] | None = None,
    target_layers: Sequence[int] | None = None,
    stride: int = 1,
    pairs: Sequence[Sequence[int]] | None = None,
) -> list[Cell]:
    """Return the cells of a grid: the product of two axes, or a list of pairs.

    Args:
        n_layers: number of layers of the model.
        source_layers: source layers, negative ones counted from the end; None for every
            `stride`-th layer from 0.
        target_layers: target layers, with the same rules.
        stride: step of an axis whose layers are None.
        pairs: (source_layer, target_layer) of each cell, instead of two axes.

    Returns:
        Cells with layers from 0 to `n_layers` - 1, without duplicates: ordered by source layer, or
        in the order of `pairs`.

    Raises:
        LayerError: a layer outside the model, a malformed pair, a stride below 1, no cells, or
            `pairs` together with axes.
    """
    if pairs is not None:
        if source_layers is not None or target_layers is not None or stride != 1:
            raise LayerError(
                "a grid of pairs takes no source_layers, target_layers or stride; "
                "give either pairs or axes"
            )
        cells = [_cell(pair, n_layers) for pair in pairs]
    else:
        sources = _axis("source_layers", source_layers, stride, n_layers)
        targets = _axis("target_layers", target_layers, stride, n_layers)
        cells = [Cell(source, target) for source in sources for target in targets]
    if not cells:
        raise LayerError("the grid has no cells: pairs is empty; give pairs such as [[16,4]]")
    return list(dict.fromkeys(cells))


def parse_cell(text: str) -> tuple[int, int]:
    """Return the source and target layer of a text such as "16,4"; they may be negative.

    Raises:
        LayerError: the text is not two integers separated by a comma.
    """
    parts = text.split(",")
    try:
        source, target = (int(part) for part in parts)
    except ValueError:
        raise LayerError(
            f"malformed cell {text!r}; allowed: SOURCE_LAYER,TARGET_LAYER such as 16,4 or -1,0"
        ) from None
    return source, target


def _axis(name: str, layers: Sequence[int] | None, stride: int, n_layers: int) -> list[int]:
    if stride < 1:
        raise LayerError(f"grid stride {stride}; allowed: 1 or more; nearest match: 1")
    if layers is None:
        return list(range(0, n_layers, stride))
    if not layers:
        raise LayerError(f"the grid has no cells: {name} is empty; give layers such as [0,-1]")
    return [_layer(layer, n_layers) for layer in layers]


def _cell(pair: Sequence[int], n_layers: int) -> Cell:
    try:
        source, target = pair
    except (TypeError, ValueError):
        raise LayerError(
            f"malformed pair {pair!r}; allowed: [source_layer,target_layer] such as [16,4]"
        ) from None
    return Cell(_layer(source, n_layers), _layer(target, n_layers))


def _layer(layer: int, n_layers: int) -> int:
    try:
        number = index(layer)
    except TypeError:
        raise LayerError(
            f"layer {layer!r} is not an integer; allowed: {-n_layers} to {n_layers - 1}"
        ) from None
    if not -n_layers <= number < n_layers:
        nearest = n_layers - 1 if number > 0 else -n_layers
        raise LayerError(
            f"layer {number} is outside the model's {n_layers} layers; "
            f"allowed: {-n_layers} to {n_layers - 1} (negative from the end); "
            f"nearest match: {nearest}"
        )
    return number % n_layers
