"""What a task's `loader` stands for: every data source by name.

A data set of the hub is a file with a function from rows to questions, and a line in `HUB_TASKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from xtransplant.config.prompts_file import own_file
from xtransplant.config.schema import INSTRUCTION_LANGUAGES, TaskConfig
from xtransplant.errors import ConfigError, unknown
from xtransplant.registry import handlers
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
from xtransplant.tasks.authors import Authors
from xtransplant.tasks.authors_layout import LAYOUTS
from xtransplant.tasks.hub_task import HubTask, ReadQuestions, Translate
from xtransplant.tasks.lazy_instance import LazyInstance
from xtransplant.tasks.own import OwnPrompts
from xtransplant.tasks.pocket import Pocket
from xtransplant.types import Direction


class TaskSource(Protocol):
    """What a data source offers.

    Attributes:
        draws_splits: whether splits are drawn from what `lazy_instances` returns; otherwise the
            data have splits of their own.
        uses_translations: whether prompts may be machine-translated; final after
            `lazy_instances`.
        lacking: number of the pivot's questions that the data of a language do not have, for each
            language read so far that lacks some.
    """

    draws_splits: bool
    uses_translations: bool
    lacking: Mapping[str, int]

    def lazy_instances(self, split: str, language: str, direction: Direction) -> list[LazyInstance]:
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
        """Return a digest of the content that `lazy_instances` read; paths do not enter it.

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
"""The function that reads a data set of the hub, by the task's `loader`."""


def _pocket(task: TaskConfig, pivot: str, data_dir: Path | None, _: Translate) -> TaskSource:
    return Pocket(data_dir, task.pivot, pivot)


def _own_prompts(task: TaskConfig, pivot: str, _: Path | None, translate: Translate) -> TaskSource:
    return OwnPrompts(own_file(task), task.pivot, translate, pivot)


FINISHED: Mapping[str, Callable[[TaskConfig, str, Path | None, Translate], TaskSource]] = {
    "pocket": _pocket,
    "prompts": _own_prompts,
}
"""The data sources whose prompts are finished, so that they need no template, by `loader`."""

LOADERS = (*HUB_TASKS, *FINISHED)
"""Every value of the task's `loader`."""

INSTRUCTIONS: Mapping[str, str | None] = handlers(
    "prompt.instruction_language", INSTRUCTION_LANGUAGES, {"target": None, "en": "en"}
)
"""The language of instructions by `prompt.instruction_language`; None for the question's own."""


def open_source(
    task: TaskConfig, instruction_language: str, translate: Translate, pivot: str | None = None
) -> TaskSource:
    """Return the data source of a task.

    Args:
        task: names the `loader` and where the data are: `id`, `data_dir` or `file`.
        instruction_language: a key of `INSTRUCTIONS`.
        translate: translates texts that the data lack.
        pivot: language of the other prompt of every pair; None for the task's.

    Raises:
        ConfigError: an unknown loader, or a setting that has no effect on its data.
        DataError: the place of the data is not given.
    """
    loader, instructions = task.loader, INSTRUCTIONS[instruction_language]
    pivot = pivot or task.pivot
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
        return HubTask(task, HUB_TASKS[loader], instructions, translate, pivot)
    if instructions:
        raise ConfigError(
            f"prompt.instruction_language={instruction_language} has no use in task {task.name}: "
            "its prompts are finished; allowed: target"
        )
    if loader in FINISHED:
        return FINISHED[loader](task, pivot, data_dir, translate)
    assert data_dir is not None  # the other loaders with data_dir have a layout
    return Authors(loader, data_dir, task.pivot, pivot)
