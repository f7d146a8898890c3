"""F2, F3 and F4: bounds by layer, bounds by number of cells, gains by features of languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from xtransplant.analysis.contrasts import MICRO, Scope, scopes
from xtransplant.analysis.expected_bound import of_tries
from xtransplant.analysis.intervals import Intervals
from xtransplant.analysis.language_table import distance, language
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.protocols import judged_pairs
from xtransplant.analysis.seeds_of_controls import controls_of
from xtransplant.analysis.study import Study
from xtransplant.reporting.drawing import COLOURS, lettering, panels, save, written

WIDTH, HEIGHT = 3.4, 2.3
N_TRIES = 24
"""Number of points of a curve over numbers of cells."""
MARKERS = "osD^vP"


def draw_layer_curves(study: Study, folder: Path) -> Iterator[Path]:
    """Write F2 for each run: source-fixed and target-fixed bounds of the run and its controls."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        labels = _labels(study, one)
        title = f"F2  {one.identity.title()}: upper bounds with one layer fixed"
        with lettering([title, *labels]):
            figure, axes = panels(2 * len(labels), 2, WIDTH, HEIGHT)
            for row, label in enumerate(labels):
                for side, panel in zip(("source", "target"), axes[2 * row :], strict=False):
                    for scope, runs in _with_controls(study, one, label):
                        found = [run.any_by_layer(f"{side}_layer") for run in runs]
                        right = np.mean([values for _, values in found], axis=0)
                        control = runs[0].identity.control_name
                        _curve(panel, found[0][0], scope.interval(right), control)
                    _baseline(panel, study, one, label)
                    panel.set_xlabel(f"{side} layer (any {_other(side)} layer)")
            _finish(figure, axes, title)
            yield from save(figure, folder, "_".join(["F2_layers", *study.labels(one).values()]))


def draw_tries(study: Study, folder: Path) -> Iterator[Path]:
    """Write F3 for each run: the expected upper bound of K cells, of the run and its controls."""
    for one in study.experiments:
        if not one.is_grid:
            continue
        labels = _labels(study, one)
        tries = np.unique(np.geomspace(1, len(one.cells), N_TRIES).round().astype(np.int64))
        title = f"F3  {one.identity.title()}: expected upper bound of K cells drawn from the grid"
        with lettering([title, *labels]):
            figure, axes = panels(len(labels), 3, WIDTH, HEIGHT)
            for label, panel in zip(labels, axes, strict=True):
                for scope, runs in _with_controls(study, one, label):
                    found = np.mean([of_tries(run, tries) for run in runs], axis=0)
                    control = runs[0].identity.control_name
                    _curve(panel, tries.tolist(), scope.interval(found), control)
                _baseline(panel, study, one, label)
                panel.set_xscale("log")
                panel.xaxis.set_major_formatter("{x:g}")
                panel.set_xlabel("cells tried, K")
            _finish(figure, axes, title)
            yield from save(figure, folder, "_".join(["F3_tries", *study.labels(one).values()]))


def draw_languages(study: Study, folder: Path) -> Iterator[Path]:
    """Write F4 for each run: the gain of the selected pair by features of the language.

    The pair is selected on other folds than those that judge it.
    """
    for one in study.experiments:
        pivot = one.identity.pivot or one.identity.task_pivot
        known = {name: (language(name), distance(pivot, name)) for name in one.languages}
        found = {
            name: (float(about.resource_class), far)
            for name, (about, far) in known.items()
            if about and far is not None
        }
        of_all = {
            pair.scope.label: pair.gain[0]
            for pair in judged_pairs(study, one)
            if pair.gain and "folds" in pair.protocol
            if (pair.strategy, pair.chosen) == ("overall", "per language")
        }
        if not of_all or len(found) < 2:
            continue
        title = f"F4  {one.identity.title()}: gain of the pair that other folds selected"
        with lettering([title, *known]):
            figure, axes = panels(2, 2, WIDTH + 0.6, HEIGHT + 0.6)
            gains = {name: of_all[name] for name in found}
            distances = [far for _, far in found.values()]
            to = "English" if pivot == "en" else pivot
            _scatter(axes[0], distances, gains, f"featural distance to {to} (URIEL+)")
            classes = [resource_class for resource_class, _ in found.values()]
            _scatter(axes[1], classes, gains, "resource class (Joshi et al. 2020), 5 = most")
            left_out = [name for name in known if name not in found]
            note = f"; without {', '.join(left_out)}, features unknown" if left_out else ""
            figure.suptitle(written(title + note), fontsize=9)
            yield from save(figure, folder, "_".join(["F4_languages", *study.labels(one).values()]))


def _scatter(panel: Axes, xs: Sequence[float], gains: dict[str, Intervals], label: str) -> None:
    values = np.array([100 * float(gain.estimate[0]) for gain in gains.values()])
    low = np.array([100 * float(gain.low[0]) for gain in gains.values()])
    high = np.array([100 * float(gain.high[0]) for gain in gains.values()])
    errors = np.maximum(np.stack([values - low, high - values]), 0)
    panel.axhline(0, color="0.6", linewidth=0.8)
    panel.errorbar(xs, values, errors, fmt="o", color=COLOURS[0], markersize=3, linewidth=0.8)
    names: dict[tuple[float, float], list[str]] = {}
    for x, value, name in zip(xs, values.tolist(), gains, strict=True):
        names.setdefault((x, value), []).append(written(name))
    for point, same in names.items():
        panel.annotate(", ".join(same), point, (3, 3), textcoords="offset points")
    if len(set(xs)) > 1 and len(set(values.tolist())) > 1 and len(xs) > 2:
        found = stats.spearmanr(xs, values)
        panel.set_title(f"Spearman {found.statistic:+.2f} over {len(xs)} languages")
    panel.set_xlabel(label)
    panel.set_ylabel("gain over baseline, points")


def _with_controls(
    study: Study, one: Outcomes, label: str
) -> Iterator[tuple[Scope, list[Outcomes]]]:
    """Yield a run's scope of a label and the run, then each control's and its seeds."""
    (own,) = (scope for scope in scopes(study, one) if scope.label == label)
    yield own, [one]
    for _, scope, runs in controls_of(own):
        yield scope, runs


def _curve(panel: Axes, xs: Sequence[int], found: Intervals, control: str) -> None:
    number = len(panel.get_legend_handles_labels()[1])
    name = "transplant" if control == "none" else control.replace("_", " ")
    panel.plot(
        xs,
        100 * found.estimate,
        color=COLOURS[number],
        marker=MARKERS[number],
        markersize=2.5,
        linewidth=1.2,
        linestyle="-" if control == "none" else "--",
        label=name,
    )
    panel.fill_between(
        xs, 100 * found.low, 100 * found.high, color=COLOURS[number], alpha=0.15, linewidth=0
    )


def _baseline(panel: Axes, study: Study, one: Outcomes, label: str) -> None:
    (scope,) = (scope for scope in scopes(study, one) if scope.label == label)
    value = 100 * float(scope.mean(one.baseline)[0])
    panel.axhline(value, color="0.35", linestyle=":", linewidth=1.2, label="baseline")
    panel.set_title(written(f"{label} (n = {scope.n})"))
    panel.set_ylabel("instances answered, %")
    panel.set_ylim(-2, 102)


def _finish(figure: Figure, axes: Sequence[Axes], title: str) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(written(f"{title}; bands: 95 % intervals"), fontsize=9)


def _labels(study: Study, one: Outcomes) -> list[str]:
    return [scope.label for scope in scopes(study, one) if scope.label != MICRO]


def _other(side: str) -> str:
    return "target" if side == "source" else "source"
