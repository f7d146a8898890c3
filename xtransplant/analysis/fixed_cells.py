"""Cells that are fixed for a language, chosen in different ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile

from xtransplant.analysis.contrasts import MACRO, MICRO, Scope, scopes
from xtransplant.analysis.judged import Judged
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.protocols import judged_pairs
from xtransplant.analysis.selection import column
from xtransplant.analysis.study import Study
from xtransplant.types import Cell

BEST = "best cell (optimistic)"


@dataclass(frozen=True, eq=False)
class FixedCells:
    """A cell for each language of a scope.

    Attributes:
        scope: judged instances.
        chosen: name of the way in which the cells were chosen.
        cells: cell of each language.
    """

    scope: Scope
    chosen: str
    cells: Mapping[str, Cell]


def coarse_cell(outcomes: Outcomes) -> Cell | None:
    """Return the paper's coarse cell of a module; None if it has none or N is unknown."""
    if outcomes.identity.module == "mlp":
        return Cell(0, 0)
    if outcomes.identity.module in ("attn", "attn_residual") and outcomes.n_layers:
        return Cell(outcomes.n_layers - 1, 0)
    return None


def fixed_cells(study: Study, one: Outcomes) -> list[FixedCells]:
    """Return the cells of a run that are compared with controls, by language and macro average.

    These are the coarse cell, the cells selected on another split (or the given cells, if none
    were selected), and the best cell of a grid. If several ways choose the same cells, `chosen`
    names them all.
    """
    merged: dict[object, FixedCells] = {}
    for found in _ways(study, one):
        key = (found.scope.label, found.scope.n, tuple(sorted(found.cells.items())))
        same = merged.get(key)
        names = f"{same.chosen}; {found.chosen}" if same else found.chosen
        merged[key] = replace(found, chosen=names)
    return list(merged.values())


def _ways(study: Study, one: Outcomes) -> Iterator[FixedCells]:
    coarse = coarse_cell(one)
    if coarse and column(one, coarse) is not None:
        yield from _everywhere(study, one, "coarse", coarse)
    selected = list(_selected(study, one))
    yield from selected
    if one.is_grid:
        yield from _best(study, one)
    elif not selected:
        for cell in one.cells:
            yield from _everywhere(study, one, "given", cell)


def _everywhere(study: Study, one: Outcomes, chosen: str, cell: Cell) -> Iterator[FixedCells]:
    for scope in _compared(study, one):
        yield FixedCells(scope, chosen, dict.fromkeys(_languages(scope), cell))


def _best(study: Study, one: Outcomes) -> Iterator[FixedCells]:
    """Yield the best cell of each scope in which any answer is right; the first one in a tie."""
    for scope in _compared(study, one):
        accuracy = scope.mean(one.correct)
        if accuracy.any():
            cell = one.cells[int(accuracy.argmax())]
            yield FixedCells(scope, BEST, dict.fromkeys(_languages(scope), cell))


def _selected(study: Study, one: Outcomes) -> Iterator[FixedCells]:
    """Yield the cells that were selected on other splits.

    Selection by folds is not included, because it gives several cells for one language.
    """
    groups: dict[tuple[str, str, str], list[Judged]] = {}
    # Folds come last and take the most time, so the loop stops before they are computed.
    for pair in takewhile(lambda pair: "folds" not in pair.protocol, judged_pairs(study, one)):
        groups.setdefault((pair.strategy, pair.chosen, pair.protocol), []).append(pair)
    for (strategy, chosen, protocol), pairs in groups.items():
        own = {pair.scope.label: pair.cells[0] for pair in pairs if len(pair.cells) == 1}
        for pair in pairs:
            languages = _languages(pair.scope)
            if pair.refused:
                continue
            if pair.scope.label != MICRO and set(languages) <= own.keys():
                cells = {language: own[language] for language in languages}
                yield FixedCells(pair.scope, f"{strategy} ({chosen}, {protocol})", cells)


def _compared(study: Study, one: Outcomes) -> Iterator[Scope]:
    """Yield each language, and the macro average if there are several."""
    return (scope for scope in scopes(study, one) if scope.label != MICRO)


def _languages(scope: Scope) -> list[str]:
    """Return the languages of a scope, in their order."""
    return list(dict.fromkeys(scope.outcomes.language[scope.rows].tolist()))


def is_complete(scope: Scope, languages: int) -> bool:
    """Return whether a scope has instances; a macro average needs those of all languages."""
    return bool(scope.n) and (scope.label != MACRO or len(_languages(scope)) == languages)
