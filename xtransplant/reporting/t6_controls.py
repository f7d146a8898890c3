"""T6: fixed cells beside every control at the same cell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xtransplant.analysis.contrasts import Scope
from xtransplant.analysis.fixed_cells import FixedCells, fixed_cells, is_complete
from xtransplant.analysis.interchange import DrawnVerdicts, drawn_answers, drawn_verdicts
from xtransplant.analysis.judged import verdicts
from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.analysis.significance import corrected
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import difference_columns, figure, labels


def _rows(study: Study) -> list[Record]:
    found = []
    for one in study.experiments:
        controls = study.controls(one)
        fixed = fixed_cells(study, one) if controls else []
        for control in controls:
            needed = {cell for each in fixed for cell in each.cells.values()}
            drawn = drawn_verdicts(control, needed)
            for each in fixed:
                if set(each.cells) <= set(control.languages):
                    found += list(_compared(each, control, drawn))
    return _with_bh(found)


def _compared(fixed: FixedCells, control: Outcomes, drawn: DrawnVerdicts) -> Iterator[Record]:
    """Yield a row for all instances, and one for each kind of drawn gold where both occur."""
    own = fixed.scope.outcomes.rows_at(fixed.scope.rows)
    theirs = control.aligned_with(own)
    name = control.identity.control_name
    parts = {name: np.ones(len(own.baseline), dtype=bool)}
    same = theirs.drawn_gold == theirs.gold
    if drawn and same.any() and not same.all():
        parts |= {f"{name}, same gold": same, f"{name}, other gold": ~same}
    for part, rows in parts.items():
        everything = np.ones(int(rows.sum()), dtype=bool)
        scope = Scope(fixed.scope.study, theirs.rows_at(rows), fixed.scope.label, everything)
        if is_complete(scope, len(fixed.cells)):
            yield _row(fixed, scope, verdicts(own.rows_at(rows), fixed.cells), part, drawn)


def _row(
    fixed: FixedCells, scope: Scope, right: Bools, control: str, drawn: DrawnVerdicts
) -> Record:
    theirs = scope.outcomes
    at_cell = drawn_answers(theirs, drawn, fixed.cells)
    untouched = drawn_answers(theirs, drawn, dict.fromkeys(fixed.cells))
    return {
        **labels(scope),
        "chosen": fixed.chosen,
        "cell": " ".join(str(cell) for cell in dict.fromkeys(fixed.cells.values())),
        "control": control,
        "n": scope.n,
        **figure("baseline", scope.interval(theirs.baseline)),
        **figure("accuracy", scope.interval(right)),
        **figure("control_accuracy", scope.interval(verdicts(theirs, fixed.cells))),
        **difference_columns(scope, right, verdicts(theirs, fixed.cells)),
        "p_bh": None,
        **_share("same_gold", scope, theirs.drawn_gold == theirs.gold if drawn else None),
        **_share("interchange", scope, at_cell),
        **_share("baseline_interchange", scope, untouched),
    }


def _share(name: str, scope: Scope, values: Bools | None) -> Record:
    if values is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return figure(name, scope.interval(values))


def _with_bh(rows: list[Record]) -> list[Record]:
    """Return the rows with `p_bh`: corrected within task, split and model."""
    families: dict[tuple[str, ...], list[Record]] = {}
    for row in rows:
        families.setdefault((row["task"], row["split"], row["model"]), []).append(row)
    for family in families.values():
        for row, p in zip(family, corrected([row["p"] for row in family], "bh"), strict=True):
            row["p_bh"] = float(p)
    return rows


T6 = TableDefinition(
    name="T6_controls",
    title="Fixed cells beside every control at the same cell",
    note=(
        "Difference: experiment less control on the same instances, paired. p_bh: Benjamini and "
        "Hochberg within task, split and model. The best cell was chosen on the instances that "
        "judge it, so its difference is optimistic. Interchange: share of the control's answers "
        "that are right for the question that was drawn (same gold: share whose gold answer is the "
        "instance's own); baseline interchange: the same of the "
        "untouched model's answers, which is what chance gives."
    ),
    rows=lambda rows: _rows(rows.study),
    percent=(
        *("baseline", "accuracy", "control_accuracy", "difference"),
        *("same_gold", "interchange", "baseline_interchange"),
    ),
)
