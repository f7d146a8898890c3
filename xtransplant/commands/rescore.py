"""Score the stored texts of runs again: parts get the verdicts of other scorers, without a model.

    1  verdicts are computed and kept under `scores/`, the new parts staged under `.rescored/`
    2  instances.parquet and pairs.parquet, which are about the old verdicts, are removed
    3  each new part is renamed over its old one
    4  instances.parquet and pairs.parquet are made of the new parts

What is killed before 3 leaves the old verdicts whole. What is killed in 3, which is renaming alone,
leaves parts of two scorers: whoever reads them is told so, and the same command finishes. Nothing
of an earlier attempt is trusted, so it may also be another scorer's command.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xtransplant.analysis.load import load_runs
from xtransplant.errors import OutputError
from xtransplant.files import writing
from xtransplant.runner.results import show_summary
from xtransplant.runner.views import aggregate_run
from xtransplant.scoring.scorers import Scorer, chosen, judge, require_fit
from xtransplant.store.columns import instances_of, replies_of, scorer_of, scores_of, with_verdicts
from xtransplant.store.part_file import reading
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import verdicts_path, write_verdicts
from xtransplant.terminal import Console
from xtransplant.types import LanguageSummary

STAGE = ".rescored"


@dataclass(frozen=True)
class _Job:
    folder: RunFolder
    scorers: tuple[Scorer, ...]
    setting: object
    """The scorers as the configuration gives them."""


def rescore(out: Path, names: Sequence[str], console: Console) -> None:
    """Score every run below a folder again, and show its summary.

    Args:
        out: folder of one run or of several.
        names: of the scorers, the first for `answer` and `correct`; none: those that each run's
            configuration names, in this version of the package.
        console: what shows progress and summaries.

    Raises:
        ConfigError: an unknown scorer, or one that does not fit an instance.
        DataError: option log-probabilities are needed and were not stored.
        OutputError: no run there, or a file that cannot be read or written.
    """
    jobs = [_job(run.folder, list(names)) for run in load_runs(out).runs]
    for job in jobs:
        _require_fit(job)
    for job in jobs:
        parts = job.folder.parts()
        _stage(job, parts, console)
        if summary := _take_staged(job, parts):
            show_summary(summary, _n_cells(job.folder, parts[0]), console)
        console.write(f"results: {job.folder.path}")


def _job(folder: RunFolder, names: list[str]) -> _Job:
    setting = names or folder.read_manifest().config["task"]["scorer"]
    return _Job(folder, chosen(setting), setting)


def _require_fit(job: _Job) -> None:
    if not job.folder.parts():
        raise OutputError(
            f"{job.folder.path} has no finished part to score; give the command of its run again"
        )
    require_fit(job.scorers, job.folder.read_instances())


def _stage(job: _Job, parts: Sequence[Path], console: Console) -> None:
    """Compute all verdicts, keep them, and write the new parts beside the old ones."""
    folder = job.folder
    with console.steps() as on_step:
        for done, path in enumerate(parts):
            on_step(f"scoring {folder.path}", done, len(parts))
            with folder.part(path) as part, reading(path):
                table = part.read()
            replies = replies_of(table)
            verdicts = {scorer.label: judge(scorer, replies) for scorer in job.scorers}
            old = scorer_of(table.schema)
            if old not in verdicts and not verdicts_path(folder, old, path.name).exists():
                write_verdicts(folder, path.name, table, old, scores_of(table))
            for label, scores in verdicts.items():
                write_verdicts(folder, path.name, table, label, scores)
            first = job.scorers[0].label
            folder.write_table(f"{STAGE}/{path.name}", with_verdicts(table, first, verdicts[first]))


def _take_staged(job: _Job, parts: Sequence[Path]) -> list[LanguageSummary]:
    """Put the staged parts in place, and make the two views of them; sum complete languages up."""
    folder, before = job.folder, job.folder.read_manifest()
    task = {**before.config["task"], "scorer": job.setting}
    folder.update_manifest(config={**before.config, "task": task}, status="running", reason=None)
    with folder.running():
        for view in (folder.path / "instances.parquet", folder.path / "pairs.parquet"):
            with writing(view):
                view.unlink(missing_ok=True)
        for path in parts:
            with writing(path):
                os.replace(folder.path / STAGE / path.name, path)
        shutil.rmtree(folder.path / STAGE, ignore_errors=True)  # hidden, and never read again
        complete = folder.complete_languages()
        summary = aggregate_run(folder) if complete else []
    if len(complete) < len(before.n_parts):  # the run itself has not ended
        folder.update_manifest(status=before.status, reason=before.reason)
    return summary


def _n_cells(folder: RunFolder, path: Path) -> int:
    with folder.part(path) as part:
        return int(part.metadata.num_rows) // len(instances_of(part.schema_arrow)) - 1
