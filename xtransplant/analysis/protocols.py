"""Selected pairs, judged on other instances: those of another run, or of other folds."""

from __future__ import annotations

from collections.abc import Sequence

from xtransplant.analysis.judged import Judged
from xtransplant.analysis.judged_by_folds import judged_by_folds
from xtransplant.analysis.judged_by_run import judged_by_run
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.study import Study


def judged_pairs(study: Study, outcomes: Outcomes) -> Sequence[Judged]:
    """Return the verdicts of every strategy on a run: selected by other runs, then by folds.

    They are found once for each run of a study.
    """
    path = outcomes.run.folder.path
    if path not in study.judged:
        study.judged[path] = [
            *judged_by_run(study, outcomes),
            *judged_by_folds(study, outcomes),
        ]
    found: Sequence[Judged] = study.judged[path]
    return found
