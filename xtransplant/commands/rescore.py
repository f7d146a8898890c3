"""`xtransplant rescore`: score the stored texts of runs again, without a model.

    1  Compute the verdicts and write them to `scores/`, and new parts to `.rescored/`.
    2  Remove instances.parquet and pairs.parquet, which are based on the old verdicts.
    3  Rename each new part over its old one.
    4  Write instances.parquet and pairs.parquet from the new parts.

If the command is killed before step 3, all parts still have their old verdicts. If it is killed
during step 3, parts have verdicts of two scorers; readers refuse such a folder, and running the
command again finishes the work. No file of an interrupted attempt is used again, so the next
command may also name another scorer.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xtransplant.analysis.load import load_runs
from xtransplant.errors import OutputError
from xtransplant.files import require_own_folders, writing
from xtransplant.runner.results import show_summary
from xtransplant.runner.views import aggregate_run
from xtransplant.scoring.judging import judge, require_fit
from xtransplant.scoring.registry import find_scorers
from xtransplant.scoring.scorer import Scorer
from xtransplant.store.columns import instances_of, replies_of, scorer_of, scores_of, with_verdicts
from xtransplant.store.part_file import reading
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import keep_settings, verdicts_path, write_verdicts
from xtransplant.terminal import Console
from xtransplant.types import LanguageSummary

STAGE = ".rescored"
SECONDS_FOR_ANOTHER = 1.5
"""Maximum time to wait for another process that scores the same run."""


@dataclass(frozen=True)
class _Job:
    folder: RunFolder
    scorers: tuple[Scorer, ...]
    setting: object
    """The scorers in the form of the configuration."""


def rescore(out: Path, settings: Sequence[str], console: Console) -> None:
    """Score every run below a folder again, and show its summary.

    Args:
        out: folder of one run or of several.
        settings: names or calls of scorers; the first one gives `answer` and `correct`. If empty,
            the scorers in each run's configuration, in this version of the package.
        console: console to show progress and summaries on.

    Raises:
        ConfigError: a scorer is unknown, or does not fit an instance.
        DataError: option log-probabilities are needed but were not stored.
        OutputError: there is no run, or a file cannot be read or written.
    """
    jobs = [_job(run.folder, list(settings)) for run in load_runs(out).runs]
    for job in jobs:
        require_own_folders(job.folder.path)
        _require_fit(job)
    for job in jobs:
        # Two processes at a time would mix the verdicts of two scorers.
        with job.folder.leases.lock("rescore", SECONDS_FOR_ANOTHER):
            parts = job.folder.parts()
            _stage(job, parts, console)
            summary = _take_staged(job, parts)
        if summary:
            given = bool(job.folder.read_manifest().config.get("grid", {}).get("file"))
            show_summary(summary, _n_cells(job.folder, parts[0]), console, given=given)
        console.write(f"results: {job.folder.path}")


def _job(folder: RunFolder, settings: list[str]) -> _Job:
    task = folder.read_manifest().config.get("task")
    setting = settings or (task.get("scorer") if isinstance(task, dict) else None)
    if not setting:
        raise OutputError(f"{folder.path} names no scorer; give one: scorer=NAME")
    return _Job(folder, find_scorers(setting), setting)


def _require_fit(job: _Job) -> None:
    if not job.folder.parts():
        raise OutputError(f"{job.folder.path} has no finished part to score; run its command again")
    require_fit(job.scorers, job.folder.read_instances())


def _stage(job: _Job, parts: Sequence[Path], console: Console) -> None:
    """Compute and write all verdicts; write the new parts to the staging folder."""
    folder = job.folder
    keep_settings(folder, job.scorers)
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
    """Put the staged parts in place, write the views, and summarise the complete languages."""
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
        shutil.rmtree(
            folder.path / STAGE, ignore_errors=True
        )  # errors are harmless: it is not read again
        complete = folder.complete_languages()
        summary = aggregate_run(folder) if complete else []
    # The run itself is unfinished. One that was done and lost a part stays "missing".
    if len(complete) < len(before.n_parts) and before.status != "done":
        folder.update_manifest(status=before.status, reason=before.reason)
    return summary


def _n_cells(folder: RunFolder, path: Path) -> int:
    with folder.part(path) as part:
        return int(part.metadata.num_rows) // len(instances_of(part.schema_arrow)) - 1
