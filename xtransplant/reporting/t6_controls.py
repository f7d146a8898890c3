"""T6: fixed cells compared with every control at the same cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xtransplant.analysis.at_cells import AtCells
from xtransplant.analysis.contrasts import Scope
from xtransplant.analysis.fixed_cells import FixedCells, fixed_cells, is_complete
from xtransplant.analysis.interchange import DrawnVerdicts, drawn_verdicts
from xtransplant.analysis.intervals import Floats
from xtransplant.analysis.judged import verdicts
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.replicates import averaged, averaged_difference, averaged_interval
from xtransplant.analysis.sensitivity import equivalence
from xtransplant.analysis.study import Study
from xtransplant.config.untouched import SAMPLES
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import (
    EQUIVALENT,
    contrast_columns,
    figure,
    labels,
    with_bh,
)


def _rows(study: Study) -> list[Record]:
    found = []
    for one in study.experiments:
        # Cells of samples only number the tries, so they are no cells to compare with.
        controls = [each for each in study.controls(one) if each.identity.control != SAMPLES]
        fixed = fixed_cells(study, one) if controls else []
        needed = {cell for each in fixed for cell in each.cells.values()}
        for control in controls:
            runs = study.replicates(control)
            drawn = [drawn_verdicts(run, needed) for run in runs]
            for each in fixed:
                found += list(_compared(each, runs, drawn))
    return with_bh(found)


def _compared(
    fixed: FixedCells, runs: Sequence[Outcomes], drawn: Sequence[DrawnVerdicts]
) -> Iterator[Record]:
    """Yield a row for all instances, and one for each kind of drawn gold where both occur."""
    own = fixed.scope.outcomes.rows_at(fixed.scope.rows)
    both = zip(runs, drawn, strict=True)
    given = [(run.aligned_with(own), of) for run, of in both if set(own.names) <= set(run.names)]
    if not given:
        return
    at_cells = AtCells.of([run for run, _ in given], [of for _, of in given], fixed.cells)
    right = verdicts(own, fixed.cells)
    name = runs[0].identity.control_name
    parts = {name: np.ones(at_cells.right.shape, dtype=bool)}
    if any(drawn) and at_cells.same_gold.any() and not at_cells.same_gold.all():
        same = at_cells.same_gold.astype(bool)
        parts |= {f"{name}, same gold": same, f"{name}, other gold": ~same}
    for part, counted in parts.items():
        rows = np.asarray(counted.any(1))
        everything = np.ones(int(rows.sum()), dtype=bool)
        theirs = at_cells.runs[0].rows_at(rows)
        scope = Scope(fixed.scope.study, theirs, fixed.scope.label, everything)
        if is_complete(scope, len(fixed.cells)):
            yield _row(fixed, scope, right[rows], part, at_cells.only(counted))


def _row(fixed: FixedCells, scope: Scope, right: Bools, control: str, at_cells: AtCells) -> Record:
    contrast = averaged_difference(scope, right, at_cells.right)
    differences = right.astype(np.float64) - averaged(at_cells.right)
    return {
        **labels(scope),
        "chosen": fixed.chosen,
        "cell": " ".join(str(cell) for cell in dict.fromkeys(fixed.cells.values())),
        "control": control,
        "seeds": len(at_cells.runs),
        "n": scope.n,
        **figure("baseline", scope.interval(scope.outcomes.baseline)),
        **figure("accuracy", scope.interval(right)),
        **figure("control_accuracy", averaged_interval(scope, at_cells.right)),
        **contrast_columns(contrast),
        "p_bh": None,
        EQUIVALENT: equivalence(scope, differences, contrast),
        **_share("same_gold", scope, at_cells.same_gold if at_cells.is_drawn else None),
        **_share("interchange", scope, at_cells.interchange),
        **_share("baseline_interchange", scope, at_cells.baseline_interchange),
    }


def _share(name: str, scope: Scope, values: Floats | None) -> Record:
    if values is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return figure(name, averaged_interval(scope, values))


T6 = TableDefinition(
    name="T6_controls",
    title="Fixed cells compared with every control at the same cell",
    note=(
        "Difference: experiment minus control on the same instances, paired; several seeds of a "
        "control are averaged by instance, and their spread is in the interval. p_bh: Benjamini "
        "and Hochberg within task, split and model. p_equivalent: of a difference of the margin or "
        "more. The best cell was chosen on the instances that "
        "judge it, so its difference is optimistic. Interchange: share of the control's answers "
        "that are right for the drawn question. Same gold: share of drawn questions with the "
        "instance's own gold answer. Baseline interchange: share of the baseline's answers that "
        "are right for the drawn question, which is the level of chance."
    ),
    rows=lambda rows: _rows(rows.study),
    percent=(
        *("baseline", "accuracy", "control_accuracy", "difference"),
        *("same_gold", "interchange", "baseline_interchange"),
    ),
)
