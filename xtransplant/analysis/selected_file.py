"""Selected pairs of one experiment, as a file with comments for `xtransplant run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xtransplant.analysis.finished import LeftOut
from xtransplant.analysis.outcomes import Outcomes
from xtransplant.analysis.selection import N_FOLDS, by_language, held_out, select
from xtransplant.analysis.study import load_study
from xtransplant.config.grid_file import selected_pairs_yaml
from xtransplant.config.primary_family import selection_split
from xtransplant.errors import OutputError


def selected_yaml(folder: Path, strategy: str, *, pooled: bool) -> str:
    """Return the content of a file of selected pairs.

    Raises:
        OutputError: the folder does not contain exactly one experiment with several cells, or no
            cell fits the strategy.
        ConfigError: the strategy is unknown.
    """
    experiment, left_out = _only_experiment(folder)
    found = select(experiment, strategy, pooled=pooled)
    groups = {found[0].language: experiment} if pooled else dict(by_language(experiment))
    lines = [
        "Accuracy on the instances that selected the pair (optimistic), of the baseline, and by "
        f"{N_FOLDS} folds",
        "(selected on other instances than judged); n is the number of instances:",
    ]
    for one in found:
        lines.append(
            f"  {one.language}: {one.accuracy:.3f}, baseline {one.baseline_accuracy:.3f}, "
            f"folds {_folds(groups[one.language], strategy)}, n = {one.n}"
        )
    for run in left_out:
        lines.append(f"left out: {run}")
    labels = experiment.identity.labels()
    del labels["grid"]
    pairs = {one.language: one.cell for one in found}
    return selected_pairs_yaml({**labels, "strategy": strategy}, pairs, "\n".join(lines))


def _folds(outcomes: Outcomes, strategy: str) -> str:
    """Return the accuracy with cells selected on other folds, averaged over languages."""
    if len(np.unique(outcomes.cluster)) < 2:
        return "need two instances"
    correct = held_out(outcomes, strategy).correct
    means = [correct[outcomes.language == language].mean() for language in outcomes.languages]
    return f"{np.mean(means):.3f}"


def _only_experiment(folder: Path) -> tuple[Outcomes, Sequence[LeftOut]]:
    study = load_study([folder])
    grids = [one for one in study.experiments if one.is_grid]
    # A grid on a later split judges what the first one selects.
    first = [one for one in grids if one.identity.split == selection_split(one.identity.splits)]
    experiments = first or grids
    if len(experiments) != 1:
        places = ", ".join(str(one.run.folder.path) for one in experiments[:3])
        raise OutputError(
            f"{folder} contains {len(experiments)} experiments with several cells"
            f"{f' ({places})' if places else ''}; give the folder of one"
            f"{f' (left out: {study.left_out[0]})' if study.left_out else ''}"
        )
    return experiments[0], study.left_out
