"""Selected pairs, judged on other instances: those of another run, or of other folds."""

from __future__ import annotations

from collections.abc import Iterator

from xtransplant.analysis.judged import Judged
from xtransplant.analysis.judged_by_folds import judged_by_folds
from xtransplant.analysis.judged_by_run import judged_by_run
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study


def judged_pairs(study: Study, outcomes: Outcomes) -> Iterator[Judged]:
    """Yield the verdicts of every strategy on a run: selection by other runs, then by folds."""
    yield from judged_by_run(study, outcomes)
    yield from judged_by_folds(study, outcomes)
