"""One HTML file for exploring runs; it opens from disk and never uses the network.

This module packs data, style and script into one file. `page_data` makes the data; `assets/page`
has style and script. The heatmap is a grid of HTML elements, made by about a hundred lines of our
own: plotly.js would add 4.5 MB, and its squares could not be reached by keyboard.

Texts come from models and data sets and are not trusted. They are stored as base64 of gzipped JSON,
which cannot contain a tag. The script puts them into text nodes only. A content security policy
lets the browser run only this script, by its hash, and connect to nothing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from xtransplant.analysis.load import Runs
from xtransplant.errors import OutputError
from xtransplant.files import write_whole
from xtransplant.reporting.page_data import INTERVAL, Texts, views_of

SCRIPTS = ("dom.js", "data.js", "state.js", "heatmap.js", "instances.js", "page.js")
"""The files that make up the page's script, in order."""


def write_page(
    runs: Runs, path: str | Path, remarks: Sequence[str] = (), findings: Sequence[str] = ()
) -> None:
    """Write runs as one self-contained HTML page.

    Args:
        runs: runs of any tasks, models, modules, languages and controls. For an unfinished run,
            the page shows the finished parts, and says so.
        path: file to write; a missing folder is created.
        remarks: lines to show at the top of the page, such as runs that were left out.
        findings: lines to show above them, on what the runs show together.

    Raises:
        OutputError: results cannot be read or have no row, or the file cannot be written.
    """
    texts = Texts()
    views = [view for run in runs.runs for view in views_of(run, texts)]
    if not views:
        raise OutputError(
            f"no results yet in {runs.runs[0].folder.path} or any other of {len(runs.runs)} runs; "
            "run the same command again to finish"
        )
    views.sort(key=_order)  # stable, so languages keep the run's order
    payload = {
        **{"interval": INTERVAL, "remarks": list(remarks)},
        "findings": list(findings),
        **{"texts": texts.decoded(), "views": views},
    }
    write_whole(Path(path), _page(_packed(payload)).encode())


def _order(view: dict[str, Any]) -> tuple[str | bool, ...]:
    """Return the sort key of a view: task, model, module, then experiments before controls."""
    control = view["control"]
    return view["task"], view["model"], view["module"], control != "none", control


def _page(data: str) -> str:
    style = _asset("page.css")
    script = "\n".join(_asset(name) for name in SCRIPTS)
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src 'sha256-{_sha256(style)}'",
            f"script-src 'sha256-{_sha256(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    page = _asset("page.html")
    for mark, content in (
        ("{{policy}}", policy),
        ("{{style}}", style),
        ("{{script}}", script),
        ("{{data}}", data),
    ):
        page = page.replace(mark, content)
    return page


def _packed(payload: object) -> str:
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _asset(name: str) -> str:
    return (files("xtransplant") / "assets" / "page" / name).read_text("utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
