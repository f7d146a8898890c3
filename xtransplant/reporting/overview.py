"""The first page of a report: runs reported, runs left out, and warnings."""

from __future__ import annotations

from collections.abc import Sequence

from xtransplant.analysis.cut_off import doubts
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Table

OVERVIEW = "report.md"


def remarks_on(study: Study) -> list[str]:
    """Return remarks that a reader must know about the runs, one line each."""
    left_out = [f"left out of tables and figures: {each}" for each in study.left_out]
    return [*left_out, *(remark for one in study.outcomes for remark in _doubts(one))]


def _doubts(one: Outcomes) -> list[str]:
    n_cut_off = int(one.baseline_cut_off.sum() + one.n_cut_off.sum())
    any_right = bool(one.baseline.any() or one.correct.any())
    found = doubts(one.correct.size + len(one.baseline), n_cut_off, any_right=any_right)
    return [f"{_name(one)}: {doubt}" for doubt in found]


def _name(one: Outcomes) -> str:
    return f"{one.identity.title()}{_control(one)}"


def _control(one: Outcomes) -> str:
    seed = f", seed {one.identity.seed}" if one.identity.seed else ""
    return "" if one.identity.is_experiment else f", control {one.identity.control_name}{seed}"


def _number(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"


def overview(
    study: Study, tables: Sequence[Table], findings: Sequence[str], remarks: Sequence[str]
) -> str:
    """Return the overview as Markdown: what T0 shows, remarks, the runs reported, the tables."""
    # Experiments come before their controls.
    ordered = sorted(study.outcomes, key=lambda one: (one.identity.title(), _control(one)))
    runs = [f"- {_name(one)}, {_number(len(one.cells), 'cell')}" for one in ordered]
    found = [f"- `{one.name}`: {one.title} ({_number(len(one.frame), 'row')})" for one in tables]
    sections = [
        ("Read this first", [f"- {finding}" for finding in findings]),
        ("Left out or doubtful", [f"- {remark}" for remark in remarks] or ["- Nothing."]),
        ("Runs reported", runs),
        ("Tables", found),
    ]
    return "# Report\n" + "".join(
        f"\n## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections
    )
