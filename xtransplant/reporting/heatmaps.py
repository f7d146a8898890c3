"""F1 and F5: the gain of every fixed cell over the baseline, source layers by target layers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from xtransplant.analysis.contrasts import Scope, scopes
from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.significance import corrected
from xtransplant.analysis.study import Study
from xtransplant.reporting.drawing import DIVERGING, lettering, panels, save, written
from xtransplant.store.run_identity import Pairing
from xtransplant.types import ModuleType

LEVEL = 0.05
"""Level of the corrected p-value (Benjamini and Hochberg) below which a cell is marked."""


def draw_heatmaps(study: Study, folder: Path) -> Iterator[Path]:
    """Write F1 for each run: a panel for each language and for the macro average."""
    for one in study.experiments:
        if one.is_grid:
            title = f"F1  {one.identity.title()}: accuracy of each fixed cell minus baseline"
            name = "_".join(["F1_heatmap", *study.labels(one).values()])
            yield from _draw(list(_shown(study, one)), title, folder, name)


def draw_modules(study: Study, folder: Path) -> Iterator[Path]:
    """Write F5 for each model with several modules: the modules side by side on one scale."""
    groups: dict[Hashable, list[Outcomes]] = {}
    for one in study.experiments:
        if one.is_grid:
            groups.setdefault(one.identity.group(Pairing.MODULES), []).append(one)
    order = list(ModuleType)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda one: order.index(ModuleType(one.identity.module)))
            one = group[0]
            labels = study.labels(one)
            del labels["module"]
            title = (
                f"F5  {one.identity.title(with_module=False)}: "
                "accuracy of each fixed cell minus baseline, by module"
            )
            shown = [_average(study, each) for each in group]
            name = "_".join(["F5_modules", *labels.values()])
            yield from _draw(shown, title, folder, name, of_module=True)


def _draw(
    shown: Sequence[Scope], title: str, folder: Path, name: str, *, of_module: bool = False
) -> list[Path]:
    differences = [_differences(scope) for scope in shown]
    largest = max(
        float(np.abs(scope.mean(d)).max()) for scope, d in zip(shown, differences, strict=True)
    )
    norm = TwoSlopeNorm(0.0, -100 * max(largest, 0.01), 100 * max(largest, 0.01))
    with lettering([title, *(scope.label for scope in shown)]):
        figure, axes = panels(len(shown), 4)
        for panel, scope, difference in zip(axes, shown, differences, strict=True):
            heading = scope.outcomes.identity.module if of_module else scope.label
            _heatmap(panel, scope, difference, norm, heading)
        _legend(figure, axes, title)
        return save(figure, folder, name)


def _heatmap(
    panel: Axes, scope: Scope, differences: Floats, norm: TwoSlopeNorm, heading: str
) -> None:
    cells = scope.outcomes.cells
    sources = sorted({cell.source_layer for cell in cells})
    targets = sorted({cell.target_layer for cell in cells})
    rows = [sources.index(cell.source_layer) for cell in cells]
    columns = [targets.index(cell.target_layer) for cell in cells]
    values = np.full((len(sources), len(targets)), np.nan)
    values[rows, columns] = 100 * scope.mean(differences)
    panel.set_facecolor("0.85")
    panel.imshow(values, cmap=DIVERGING, norm=norm, origin="lower", aspect="auto")
    marked = corrected(scope.test(differences)[1], "bh") < LEVEL
    panel.scatter(np.array(columns)[marked], np.array(rows)[marked], s=5, c="black", marker="o")
    _ticks(panel, sources, targets)
    baseline = 100 * float(scope.mean(scope.outcomes.baseline)[0])
    panel.set_title(written(f"{heading}\nbaseline {baseline:.1f} %, n = {scope.n}"))
    panel.set_xlabel("target layer")
    panel.set_ylabel("source layer")


def _ticks(panel: Axes, sources: Sequence[int], targets: Sequence[int]) -> None:
    for layers, set_ticks in ((targets, panel.set_xticks), (sources, panel.set_yticks)):
        step = max(1, len(layers) // 8)
        ticks = list(range(0, len(layers), step))
        set_ticks(ticks, [str(layers[tick]) for tick in ticks])


def _legend(figure: Figure, axes: Sequence[Axes], title: str) -> None:
    bar = figure.colorbar(axes[0].images[0], ax=list(axes), shrink=0.8, extend="neither")
    bar.set_label("difference to baseline, percentage points")
    figure.suptitle(written(title), fontsize=9)
    figure.supxlabel(
        f"dots: significant at a false discovery rate of {100 * LEVEL:.0f} % within the panel",
        fontsize=7,
    )


def _differences(scope: Scope) -> Floats:
    one = scope.outcomes
    return one.correct.astype(np.float64) - one.baseline[:, None]


def _shown(study: Study, one: Outcomes) -> Iterator[Scope]:
    """Yield the languages and, if there are several, their macro average."""
    everything = list(scopes(study, one))
    yield from everything[:-1] if len(everything) > 1 else everything


def _average(study: Study, one: Outcomes) -> Scope:
    """Return the macro average, or the only language."""
    return list(_shown(study, one))[-1]
