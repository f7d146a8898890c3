"""Every data source, by value of a task's `loader`.

A data set of the hub takes a module with a function from rows to questions, and a line in
`HUB_TASKS`.
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
    """The interface of a data source.

    Attributes:
        draws_splits: whether splits are drawn from the result of `lazy_instances`; otherwise the
            data have their own splits.
        uses_translations: whether prompts may be machine-translated; final after
            `lazy_instances`.
        lacking: number of the pivot's questions that a language's data lack, for each language
            read so far that lacks any.
    """

    draws_splits: bool
    uses_translations: bool
    lacking: Mapping[str, int]

    def lazy_instances(self, split: str, language: str, direction: Direction) -> list[LazyInstance]:
        """Return the instances of one language; all languages have the same order of rows.

        Args:
            split: one of the task's splits.
            language: the study's language X.
            direction: `en_to_x` if the pivot's prompt is the source, `x_to_en` if it is the target.

        Raises:
            DataError: data are missing or malformed; the message has file and line number.
        """
        ...

    def fingerprint(self, split: str) -> str:
        """Return a name of the content that `lazy_instances` read; it does not depend on paths.

        Raises:
            DataError: data are missing.
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
"""Functions that read data sets of the hub, by value of `loader`."""


def _pocket(task: TaskConfig, pivot: str, data_dir: Path | None, _: Translate) -> TaskSource:
    return Pocket(data_dir, task.pivot, pivot)


def _own_prompts(task: TaskConfig, pivot: str, _: Path | None, translate: Translate) -> TaskSource:
    return OwnPrompts(own_file(task), task.pivot, translate, pivot)


FINISHED: Mapping[str, Callable[[TaskConfig, str, Path | None, Translate], TaskSource]] = {
    "pocket": _pocket,
    "prompts": _own_prompts,
}
"""Data sources with finished prompts, which need no template, by value of `loader`."""

LOADERS = (*HUB_TASKS, *FINISHED)
"""Every value of the task's `loader`."""

INSTRUCTIONS: Mapping[str, str | None] = handlers(
    "prompt.instruction_language", INSTRUCTION_LANGUAGES, {"target": None, "en": "en"}
)
"""Language of instructions by `prompt.instruction_language`; None for the question's language."""


def open_source(
    task: TaskConfig, instruction_language: str, translate: Translate, pivot: str | None = None
) -> TaskSource:
    """Return the data source of a task.

    Args:
        task: configuration with the `loader` and the place of the data: `id`, `data_dir` or `file`.
        instruction_language: key of `INSTRUCTIONS`.
        translate: function that translates missing texts.
        pivot: language of the other prompt of every pair; None for the task's pivot.

    Raises:
        ConfigError: the loader is unknown, or a setting has no effect with it.
        DataError: the place of the data is not given.
    """
    loader, instructions = task.loader, INSTRUCTIONS[instruction_language]
    pivot = pivot or task.pivot
    if loader not in LOADERS:
        raise ConfigError(unknown("task.loader", loader, LOADERS))
    data_dir = Path(task.data_dir).expanduser() if task.data_dir else None
    if data_dir and loader not in (*LAYOUTS, "pocket"):
        raise ConfigError(
            f"task.data_dir has no effect in task {task.name}; allowed: with "
            f"{', '.join(sorted((*LAYOUTS, 'pocket')))}; for a local folder in the hub's layout "
            "set task.id"
        )
    if loader in HUB_TASKS and not data_dir:
        return HubTask(task, HUB_TASKS[loader], instructions, translate, pivot)
    if instructions:
        raise ConfigError(
            f"prompt.instruction_language={instruction_language} has no effect in task "
            f"{task.name}: its prompts are finished; allowed: target"
        )
    if loader in FINISHED:
        return FINISHED[loader](task, pivot, data_dir, translate)
    assert data_dir is not None  # the other loaders with data_dir have a layout
    return Authors(loader, data_dir, task.pivot, pivot)
