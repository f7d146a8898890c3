"""Tables as CSV with all digits, and as Markdown and LaTeX with percent and intervals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from xtransplant.files import write_whole
from xtransplant.reporting.table import Table

MISSING = "-"
FORMULA = ("=", "+", "-", "@", "\t")
"""Beginnings of a cell that spreadsheets read as a formula."""
LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
        **{"→": r"$\to$", "<": "$<$", "−": "$-$"},
    }
)
"""Characters that are commands in LaTeX, or missing in its usual fonts."""


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write a table in three formats; return the files."""
    shown = shown_frame(table)
    contents = {
        ".csv": _csv(table.frame),
        ".md": markdown(table, shown),
        ".tex": latex(table, shown),
    }
    paths = []
    for suffix, content in contents.items():
        path = folder / f"{table.name}{suffix}"
        write_whole(path, content.encode())
        paths.append(path)
    return paths


def _csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV that contains no formulas for spreadsheets.

    A text that begins like a formula gets an apostrophe in front, which marks it as a text.
    """
    safe = frame.map(
        lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
    )
    return safe.to_csv(index=False, lineterminator="\n")


def shown_frame(table: Table) -> pd.DataFrame:
    """Return a table as text: estimate and interval in one cell, shares in percent."""
    frame = table.frame
    shown = {}
    for name in frame.columns:
        if name.endswith(("_low", "_high")):
            continue
        percent = name in table.percent
        bounds = [f"{name}_low", f"{name}_high"] if f"{name}_low" in frame else []
        signed = name == "difference"
        shown[_heading(name, percent=percent)] = [
            _cell(row, percent=percent, signed=signed)
            for row in frame[[name, *bounds]].itertuples(index=False, name=None)
        ]
        if name == "p" or name.startswith("p_"):
            shown[_heading(name, percent=percent)] = [_p(value) for value in frame[name]]
    return pd.DataFrame(shown)


def markdown(table: Table, shown: pd.DataFrame) -> str:
    """Return a table as Markdown."""
    rows = [list(shown.columns), *shown.to_numpy().tolist()]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in escaped]
    rule = (
        "|"
        + "|".join(":--" if _is_text(shown, n) else "--:" for n in map(str, shown.columns))
        + "|"
    )
    body = [lines[0], rule, *lines[1:]] if len(shown) else ["No run contributes to this table."]
    return f"# {table.title}\n\n" + "\n".join(body) + f"\n\n{table.note}\n"


def latex(table: Table, shown: pd.DataFrame) -> str:
    """Return a table as LaTeX for the package booktabs."""
    names = [str(name) for name in shown.columns]
    columns = "".join("l" if _is_text(shown, name) else "r" for name in names)
    lines = [" & ".join(cell.translate(LATEX) for cell in row) for row in shown.to_numpy().tolist()]
    heading = " & ".join(name.translate(LATEX) for name in names)
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"\begin{table}",
            rf"\caption{{{table.title.translate(LATEX)}. {table.note.translate(LATEX)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{columns or 'l'}}}",
            r"\toprule",
            rf"{heading or 'No run contributes to this table.'} \\",
            r"\midrule",
            *(rf"{line} \\" for line in lines),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _heading(name: str, *, percent: bool) -> str:
    return name.replace("_", " ") + (" %" if percent else "")


def _is_text(shown: pd.DataFrame, name: str) -> bool:
    # A number, with or without an interval; "0→0" and texts that begin with it are not numbers.
    return not any(re.fullmatch(r"[+\-<]?\d[\d.e+\-]*( \[.*\])?", one) for one in shown[name])


def _cell(values: Sequence[Any], *, percent: bool, signed: bool) -> str:
    numbers = [value for value in values if not pd.isna(value)]
    if not numbers:
        return MISSING
    if isinstance(numbers[0], str):
        return numbers[0] or MISSING
    shown = [_number(value, percent=percent, signed=signed) for value in numbers]
    return shown[0] if len(shown) == 1 else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _number(value: float | int, *, percent: bool, signed: bool) -> str:
    if percent:
        return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3g}"


def _p(value: float | None) -> str:
    if pd.isna(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
