"""The text that a reader of a report begins with: what was reported, left out, and is doubtful."""

from __future__ import annotations

from collections.abc import Sequence

from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Table

OVERVIEW = "report.md"


def remarks_on(study: Study) -> list[str]:
    """Return what a reader must know of the runs, one line each."""
    return [f"left out of tables and figures: {each}" for each in study.left_out]


def overview(study: Study, tables: Sequence[Table], remarks: Sequence[str]) -> str:
    """Return the overview as Markdown: remarks, the runs reported, and the tables."""
    runs = [f"- {one.identity.title()}, control {one.identity.control}" for one in study.outcomes]
    found = [f"- `{one.name}`: {one.title} ({len(one.frame)} rows)" for one in tables]
    sections = [
        ("Read this first", [f"- {remark}" for remark in remarks] or ["- Nothing was left out."]),
        ("Runs reported", runs),
        ("Tables", found),
    ]
    return "# Report\n" + "".join(
        f"\n## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections
    )
