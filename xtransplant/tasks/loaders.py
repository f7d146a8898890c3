"""Tasks: one file per data source, which turns rows into instances and does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from xtransplant.config.prompts_file import own_file
from xtransplant.config.schema import TaskConfig
from xtransplant.errors import ConfigError, unknown
from xtransplant.tasks import (
    belebele,
    cultural_bench,
    global_mmlu,
    global_opinion,
    mkqa,
    xcopa,
    xnli,
    xquad,
)
from xtransplant.tasks.authors import LAYOUTS, Authors
from xtransplant.tasks.hub_task import HubTask, ReadQuestions, Translate
from xtransplant.tasks.lazy_instance import Draft
from xtransplant.tasks.own import OwnPrompts
from xtransplant.tasks.pocket import Pocket
from xtransplant.types import Direction


class TaskSource(Protocol):
    """What a data source offers.

    `draws_splits`: whether `drafts` returns all instances, of which splits are drawn, or the data
    have splits of their own. `uses_translations`: whether prompts may be machine-translated; known
    after `drafts`. `lacking`: how many of the pivot's questions the data of a language read so far
    do not have, where some are missing.
    """

    draws_splits: bool
    uses_translations: bool
    lacking: Mapping[str, int]

    def drafts(self, split: str, language: str, direction: Direction) -> list[Draft]:
        """Return the instances of one language, the same rows in the same order in each.

        Args:
            split: one of the task's splits.
            language: the study's language X.
            direction: whether the pivot's prompt is the source (`en_to_x`) or the target.

        Raises:
            DataError: data that is missing or malformed, with file and line number.
        """
        ...

    def fingerprint(self, split: str) -> str:
        """Return a digest of the content that `drafts` read, in every language; never of paths.

        Raises:
            DataError: data that is missing.
        """
        ...


HUB_TASKS: Mapping[str, ReadQuestions] = {
    "belebele": belebele.questions,
    "culturalbench_easy": cultural_bench.easy,
    "culturalbench_hard": cultural_bench.hard,
    "global_mmlu": global_mmlu.questions,
    "globalopinionqa": global_opinion.questions,
    "mkqa": mkqa.questions,
    "xcopa": xcopa.questions,
    "xnli": xnli.questions,
    "xquad": xquad.questions,
}
"""What reads a data set of the hub, by the task's `loader`."""

FINISHED = ("pocket", "prompts")
"""Loaders of prompts that are finished; no template puts them."""

LOADERS = (*HUB_TASKS, *FINISHED)
"""Every value of the task's `loader`."""


def open_source(task: TaskConfig, instruction_language: str, translate: Translate) -> TaskSource:
    """Return the data source of a task.

    Args:
        task: its `loader`, and where its data are: `id`, `data_dir` or `file`.
        instruction_language: "target" or "en", of the instructions around a question.
        translate: asked for texts that the data lack.

    Raises:
        ConfigError: an unknown loader, or a setting that its data have no use for.
        DataError: no word of where the data are.
    """
    loader = task.loader
    if loader not in LOADERS:
        raise ConfigError(unknown("task.loader", loader, LOADERS))
    data_dir = Path(task.data_dir).expanduser() if task.data_dir else None
    if data_dir and loader not in (*LAYOUTS, "pocket"):
        raise ConfigError(
            f"task.data_dir has no use in task {task.name}; allowed: with "
            f"{', '.join(sorted((*LAYOUTS, 'pocket')))}; for a local folder in the hub's layout "
            "set task.id"
        )
    if loader in HUB_TASKS and not data_dir:
        instructions = None if instruction_language == "target" else instruction_language
        return HubTask(task, HUB_TASKS[loader], instructions, translate)
    if instruction_language != "target":
        raise ConfigError(
            f"prompt.instruction_language={instruction_language} has no use in task {task.name}: "
            "its prompts are finished; allowed: target"
        )
    if loader == "prompts":
        return OwnPrompts(own_file(task), task.pivot, translate)
    if loader == "pocket":
        return Pocket(data_dir, task.pivot)
    assert data_dir is not None
    return Authors(loader, data_dir, task.pivot)


__all__ = ["FINISHED", "HUB_TASKS", "LOADERS", "TaskSource", "open_source", "own_file"]
