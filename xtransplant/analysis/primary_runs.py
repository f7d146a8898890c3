"""The runs that the primary family of a task and model rests on, and why one is missing.

One module is judged, and it is chosen like the pair: on the selection split. With a family for each
module, whoever picks the best of them would pick from several families of tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xtransplant.analysis.contrasts import average
from xtransplant.analysis.judged import chosen_cells, verdicts
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study
from xtransplant.config import primary_family as declared
from xtransplant.store.run_identity import Pairing, RunIdentity, unusual_axes
from xtransplant.types import Cell, ModuleType


@dataclass(frozen=True, eq=False)
class PrimaryRuns:
    """What selects for a task and model.

    Attributes:
        study: study of the runs.
        task: name of the task.
        model: name of the model.
        splits: splits of the task.
        modules: modules with a grid on the selection split.
        selecting: the grid that selects, of the module that does best; None if there is none.
    """

    study: Study
    task: str
    model: str
    splits: tuple[str, ...]
    modules: Sequence[str]
    selecting: Outcomes | None

    @property
    def selection_split(self) -> str:
        """Return the split that selects."""
        return declared.selection_split(self.splits) or "the selection split"

    def judging(self, suits: Callable[[Outcomes], bool]) -> Outcomes | None:
        """Return the largest run that suits, of the first later split that has one.

        Args:
            suits: whether a run of the selecting run's module and its languages has what it takes.
        """
        for split in declared.later_splits(self.splits):
            found = [
                one
                for one in self.study.experiments
                if one.identity.split == split and self._follows(one) and suits(one)
            ]
            if found:
                return max(found, key=lambda one: (len(one.names), -len(one.cells)))
        return None

    def _follows(self, one: Outcomes) -> bool:
        first = self.selecting
        return (
            first is not None
            and one.identity.group(Pairing.SELECTION) == first.identity.group(Pairing.SELECTION)
            and set(one.languages) <= set(first.languages)
        )

    def asked(self, judging: Outcomes) -> Outcomes:
        """Return the selecting run in the languages of the judging run."""
        assert self.selecting is not None
        chosen = np.isin(self.selecting.language, judging.languages)
        return self.selecting.rows_at(chosen)

    def not_run(self, hint: str, **wanted: str) -> str:
        """Return that a run is missing and what to do; of an unfinished one, how far it is.

        Args:
            hint: what to run.
            wanted: what the missing run's identity has, beside task and model.
        """
        wanted |= {"task": self.task, "model": self.model}
        for each in self.study.left_out:
            identity = each.run.identity
            if all(getattr(identity, name) == value for name, value in wanted.items()):
                return f"not run: {each}"
        return f"not run: {hint}"


def primary_runs(study: Study) -> list[PrimaryRuns]:
    """Return what selects for each task and model with an experiment of preset `transplant`."""
    groups: dict[tuple[str, str], list[Outcomes]] = {}
    for one in study.experiments:
        # With every other axis at its default, it is asked and transplanted in the plain way.
        if not unusual_axes([one.identity]):
            groups.setdefault((one.identity.task, one.identity.model), []).append(one)
    return [_of(study, runs) for runs in groups.values()]


def _of(study: Study, runs: Sequence[Outcomes]) -> PrimaryRuns:
    identity = runs[0].identity
    split = declared.selection_split(identity.splits)
    order = list(ModuleType)
    grids = [one for one in runs if one.identity.split == split and one.is_grid]
    grids = [one for one in grids if one.identity.module in declared.MODULES] or grids
    # First by module, then the largest grid: of equally good runs the first is chosen.
    grids.sort(key=lambda one: (order.index(ModuleType(one.identity.module)), -len(one.cells)))
    of_module = {one.identity.module: one for one in reversed(grids)}
    candidates = [one for one in grids if of_module[one.identity.module] is one]
    return PrimaryRuns(
        study=study,
        task=identity.task,
        model=identity.model,
        splits=identity.splits,
        modules=[one.identity.module for one in candidates],
        selecting=max(candidates, key=_in_sample, default=None),
    )


def _in_sample(one: Outcomes) -> float:
    """Return the macro average of the selected pairs on the instances that select them."""
    found = average(_ALONE, one).mean(verdicts(one, selected_cells(one)))
    return round(float(found[0]), 12)


_ALONE = Study([])


def selected_cells(asked: Outcomes) -> Mapping[str, Cell]:
    """Return the selected pair of each language."""
    return chosen_cells(asked, declared.STRATEGY, pooled=declared.POOLED)


def method_of(identity: RunIdentity) -> tuple[tuple[str, object], ...]:
    """Return by which method the untouched model of a run answers."""
    return tuple((name, getattr(identity, name, None)) for name in declared.METHODS)


def question_of(identity: RunIdentity) -> tuple[object, ...]:
    """Return what runs have in common that put the same question to the same model."""
    group = identity.group(Pairing.UNTOUCHED)
    assert isinstance(group, tuple)
    return tuple(axis for axis in group if axis[0] not in declared.METHODS)
