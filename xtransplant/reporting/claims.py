"""The paper's own claims, each as a contrast with its interval and test."""

from __future__ import annotations

from collections.abc import Sequence

from xtransplant.analysis.claims import CLAIMS, Claimed
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import ENDS, figure, with_bh


def _rows(study: Study) -> list[Record]:
    rows = [_row(study, one) for claim in CLAIMS for one in claim(study)]
    tested = [row for row in rows if row["p"] is not None]
    with_bh(tested)
    return rows


def _row(study: Study, one: Claimed) -> Record:
    left, right = _joined(study, one.left), _joined(study, one.right)
    name, other = ("rho", "difference") if one.is_rank else ("difference", "rho")
    row: Record = {
        "claim": one.claim,
        "measure": one.measure,
        "compared": one.compared,
        **{
            key: left[key] if left[key] == right[key] else f"{left[key]} - {right[key]}"
            for key in left
        },
        "sample": one.sample,
        "languages": one.n_languages,
        **dict.fromkeys(("n", *(f"{key}{end}" for key in ("difference", "rho") for end in ENDS))),
        **dict.fromkeys(("test", "p", "p_bh")),
        "remark": one.remark,
    }
    if one.found:
        found, test, p = one.found
        row |= {"n": found.n, **figure(name, found), "test": test, "p": float(p[0])}
    assert other in row
    return row


def _joined(study: Study, runs: Sequence[Outcomes]) -> dict[str, str]:
    """Return the labels of runs, those that differ side by side."""
    labels = [study.labels(one) for one in runs]
    return {name: ", ".join(dict.fromkeys(one[name] for one in labels)) for name in labels[0]}


CLAIMS_TABLE = TableDefinition(
    name="claims",
    title="The paper's claims, tested",
    note=(
        "Difference: of gains over the baseline, in points; trends: gain at the last layer less "
        "gain at the first, by a straight line through all cells. Sample: what the interval takes "
        "as a sample; an interval over instances takes the languages as given. Selected pairs are "
        "those that another split selected. rho: Spearman's rank correlation with the featural "
        "distance of URIEL+. p_bh: Benjamini and Hochberg within task, split and model."
    ),
    rows=lambda rows: _rows(rows.study),
    percent=("difference",),
)
