"""The six contrasts of the primary family, for each task and model.

What they are is declared in `xtransplant.config.primary_family`. A contrast without its runs says
what to run, and counts as one with p = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from xtransplant.analysis.contrasts import Scope, average
from xtransplant.analysis.judged import verdicts
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.overlap import refusal, unmet
from xtransplant.analysis.primary_runs import (
    PrimaryRuns,
    method_of,
    question_of,
    selected_cells,
)
from xtransplant.analysis.vote import voted, voters
from xtransplant.config import primary_family as declared
from xtransplant.config.untouched import SAMPLES
from xtransplant.store.run_identity import Pairing
from xtransplant.types import Cell


@dataclass(frozen=True, eq=False)
class Sides:
    """Two outcomes of the same instances.

    Attributes:
        scope: the macro average over the instances.
        left: verdicts of what is tested, [I].
        right: verdicts of what it is compared with, [I].
        what: what the right side is, where the runs decide it, such as the name of a method.
        cells: selected pairs, of all languages.
    """

    scope: Scope
    left: Bools
    right: Bools
    what: str = ""
    cells: Sequence[Cell] = ()


@dataclass(frozen=True, eq=False)
class Selected:
    """The selected pairs on the instances that judge them.

    Attributes:
        runs: what selected.
        judging: the run that judges.
        left: its instances that overlap with none that selected.
        cells: selected pair of each language.
    """

    runs: PrimaryRuns
    judging: Outcomes
    left: Outcomes
    cells: Mapping[str, Cell]

    @property
    def scope(self) -> Scope:
        """Return the macro average over the judged instances."""
        return average(self.runs.study, self.left)

    @property
    def correct(self) -> Bools:
        """Return the verdicts of the selected pairs, [I]."""
        return verdicts(self.left, self.cells)


Found = Sides | str
"""Both sides of a contrast, or why there are none: "not run: …" or "refused: …"."""


def primary_contrasts(runs: PrimaryRuns) -> dict[str, Found]:
    """Return the contrasts of a task and model, by letter.

    Raises:
        OutputError: a part cannot be read.
    """
    if runs.selecting is None:
        hint = f"run a grid of several cells with split={runs.selection_split}"
        return dict.fromkeys(declared.CONTRASTS, runs.not_run(hint, split=runs.selection_split))
    selected = selected_pairs(runs)
    return {
        **{letter: _of_selected(selected, sides) for letter, sides in OF_SELECTED.items()},
        "d": excess(runs),
        "e": vote(runs),
    }


def selected_pairs(runs: PrimaryRuns) -> Selected | str:
    """Return the selected pairs as a later split judges them."""
    cells = selected_cells(_selecting(runs))
    judging = runs.judging(lambda one: {cells[name] for name in one.languages} <= set(one.cells))
    if judging is None:
        file = "grid=pairs grid.file=FILE"
        path = _selecting(runs).run.folder.path
        return runs.not_run(
            f"xtransplant select {path} --output FILE, then run the command of {path} with "
            f"{file} split={_later(runs)}",
            **_later_run(runs),
        )
    free, refused = _judged(runs, judging)
    own = {name: cells[name] for name in judging.languages}
    return refused or Selected(runs, judging, judging.rows_at(free), own)


def against_baseline(selected: Selected) -> Found:
    """Compare the selected pairs with the untouched model."""
    return Sides(selected.scope, selected.correct, selected.left.baseline)


def against_control(control: str) -> Callable[[Selected], Found]:
    """Return how the selected pairs are compared with a control at the same cells."""

    def compared(selected: Selected) -> Found:
        judging, cells = selected.judging, set(selected.cells.values())
        wanted = judging.identity.group(Pairing.CELLS)
        found = [
            one
            for one in selected.runs.study.outcomes
            if one.identity.control == control and one.identity.group(Pairing.CELLS) == wanted
        ]
        suiting = [one for one in found if cells <= set(one.cells) and _has(one, selected.left)]
        if suiting:
            one = min(suiting, key=lambda one: (len(one.cells), one.identity.seed))
            theirs = one.aligned_with(selected.left)
            return Sides(selected.scope, selected.correct, verdicts(theirs, selected.cells))
        if found:
            return _refused(found[0], "some of the judged instances or of the selected cells")
        return selected.runs.not_run(
            f"run the command of {judging.run.folder.path} with control={control}",
            **{"control": control, "split": str(judging.identity.split)},
            module=judging.identity.module,
        )

    return compared


def against_method(selected: Selected) -> Found:
    """Compare the selected pairs with the other method that was best on the selection split."""
    study, asked = selected.runs.study, selected.runs.asked(selected.judging)
    others = [
        one
        for one in study.outcomes
        if question_of(one.identity) == question_of(asked.identity) and _has(one, asked)
        if method_of(one.identity) != method_of(asked.identity)
    ]
    if not others:
        return selected.runs.not_run(
            "run another method, such as another way of asking or an adapter, with "
            f"split={asked.identity.split} and split={selected.judging.identity.split}"
        )
    ordered = sorted(others, key=lambda one: repr(method_of(one.identity)))
    best = max(ordered, key=lambda one: _accuracy(selected, one.aligned_with(asked)))
    judged = [
        one
        for one in study.outcomes
        if question_of(one.identity) == question_of(selected.judging.identity)
        if method_of(one.identity) == method_of(best.identity)
    ]
    name = _method_name(asked, best)
    if not judged:
        split = selected.judging.identity.split
        return selected.runs.not_run(
            f"run the command of {best.run.folder.path} with split={split}"
        )
    if not (suiting := [one for one in judged if _has(one, selected.left)]):
        return _refused(judged[0], "some of the judged instances")
    theirs = suiting[0].aligned_with(selected.left)
    return Sides(selected.scope, selected.correct, theirs.baseline, name)


def excess(runs: PrimaryRuns) -> Found:
    """Compare the upper bound of a later split with that of as many samples."""
    grid = runs.judging(lambda one: one.is_grid)
    if grid is None:
        hint = f"run the command of {_selecting(runs).run.folder.path} with split={_later(runs)}"
        return runs.not_run(hint, **_later_run(runs))
    # The family is declared for the default temperature.
    controls = [
        one
        for one in runs.study.controls(grid)
        if (one.identity.control, one.identity.temperature) == (SAMPLES, 1.0)
    ]
    if not controls:
        hint = f"run the command of {grid.run.folder.path} with control={SAMPLES}"
        return runs.not_run(hint, control=SAMPLES, split=str(grid.identity.split))
    if not (suiting := [one for one in controls if _has(one, grid)]):
        return _refused(controls[0], "some of the judged instances")
    theirs = min(suiting, key=lambda one: one.identity.seed).aligned_with(grid)
    what = f"{len(grid.cells)} tries"
    return Sides(average(runs.study, grid), grid.upper_bound, theirs.upper_bound, what)


def vote(runs: PrimaryRuns) -> Found:
    """Compare the vote over the best cells of the selection split with the baseline."""
    cells = voters(_selecting(runs), declared.N_VOTERS)
    judging = runs.judging(
        lambda one: {cell for name in one.languages for cell in cells[name]} <= set(one.cells)
    )
    if judging is None:
        hint = f"run the command of {_selecting(runs).run.folder.path} with split={_later(runs)}"
        return runs.not_run(hint, **_later_run(runs))
    free, refused = _judged(runs, judging)
    if refused:
        return refused
    left = judging.rows_at(free)
    right = voted(left, {name: cells[name] for name in left.languages})
    return Sides(average(runs.study, left), right, left.baseline)


OF_SELECTED: Mapping[str, Callable[[Selected], Found]] = {
    "a": against_baseline,
    "b": against_control("mean"),
    "c": against_control("random_instance"),
    "f": against_method,
}
"""The contrasts of the selected pairs, by letter."""


def _of_selected(selected: Selected | str, sides: Callable[[Selected], Found]) -> Found:
    found = selected if isinstance(selected, str) else sides(selected)
    if isinstance(found, str) or isinstance(selected, str):
        return found
    return replace(found, cells=tuple(dict.fromkeys(selected.cells.values())))


def _selecting(runs: PrimaryRuns) -> Outcomes:
    assert runs.selecting is not None
    return runs.selecting


def _judged(runs: PrimaryRuns, judging: Outcomes) -> tuple[Bools, str]:
    """Return which instances may judge, [I], and why too few may, "" if enough may."""
    free = unmet(runs.asked(judging), judging, pooled=declared.POOLED)
    refused = refusal(average(runs.study, judging), free)
    return free, refused and f"refused: {refused}"


def _later(runs: PrimaryRuns) -> str:
    return next(iter(declared.later_splits(runs.splits)), "a later split")


def _later_run(runs: PrimaryRuns) -> dict[str, str]:
    """Return what an experiment on the first later split has in its identity."""
    module = _selecting(runs).identity.module
    return {"split": _later(runs), "module": module, "control": "none"}


def _has(one: Outcomes, instances: Outcomes) -> bool:
    return set(instances.names) <= set(one.names)


def _refused(one: Outcomes, lacking: str) -> str:
    return f"refused: {one.run.folder.path} lacks {lacking}"


def _accuracy(selected: Selected, one: Outcomes) -> float:
    return float(average(selected.runs.study, one).mean(one.baseline)[0])


def _method_name(own: Outcomes, other: Outcomes) -> str:
    """Return in what a method differs from the experiment's."""
    differing = set(method_of(other.identity)) - set(method_of(own.identity))
    return ", ".join(f"{name} {value}" for name, value in sorted(differing, key=repr))
