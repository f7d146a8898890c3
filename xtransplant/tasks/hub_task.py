"""From a data set's rows to instances: read questions in two languages, render and pair them.

Each data set has its own small module with a function from a `Reader` and a language to questions,
which knows the data set's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from xtransplant.config.schema import TaskConfig
from xtransplant.errors import ConfigError, DataError
from xtransplant.languages import language as find_language
from xtransplant.prompts.templates import Rendered, load_template
from xtransplant.tasks.hub import HubData, Row
from xtransplant.tasks.lazy_instance import LazyInstance
from xtransplant.tasks.sides import source_and_target
from xtransplant.tasks.translations import translate_prompt
from xtransplant.types import Direction, Instance, Question

Translate = Callable[[str, str], str]
"""Function that translates a text from the task's pivot to a language; may raise DataError."""


class Reader:
    """Reads the rows of a task's data from the places in the task's configuration."""

    def __init__(self, task: TaskConfig) -> None:
        self._task = task
        self._all_languages_count = False
        if task.id is None:
            raise DataError(
                f"task {task.name} has no data; say where they are: task.id=owner/name or a folder"
            )
        self._data = HubData(task.id, task.revision)
        self._pivot_data = (
            HubData(task.pivot_id, task.pivot_revision) if task.pivot_id else self._data
        )

    def all_languages(self) -> Sequence[str]:
        """Return the task's languages, and include them in the fingerprint.

        Use this for data sets whose questions depend on the list of languages.
        """
        self._all_languages_count = True
        return self._task.languages

    @property
    def pivot(self) -> str:
        """The language of one of the two prompts of every pair."""
        return self._task.pivot

    def any_but(self, language: str) -> str:
        """Return any of the task's languages other than the given one."""
        return next(each for each in self._task.languages if each != language)

    def rows(self, language: str) -> list[Row]:
        """Return the rows of a language, in the data's order."""
        codes = {"language": language, "flores": find_language(language).flores}
        config = self._task.config.format(**codes) if self._task.config else None
        return self._data.rows(config, self._split)

    def pivot_rows(self) -> list[Row]:
        """Return the rows of the pivot, if they are a separate data set."""
        return self._pivot_data.rows(self._task.pivot_config, self._split)

    @property
    def fingerprint(self) -> str:
        """Names of the data read so far, and of the settings used; see `HubData.fingerprint`."""
        data = dict.fromkeys((self._data, self._pivot_data))
        configs = [each for each in (self._task.config, self._task.pivot_config) if each]
        languages = sorted(set(self._task.languages)) if self._all_languages_count else []
        return " ".join([*(each.fingerprint for each in data), self._split, *configs, *languages])

    @property
    def _split(self) -> str:
        return self._task.data_split or "test"


def key_at(keys: Sequence[str], number: int) -> str:
    """Return the key of a label, counted from 0. Negative labels, which mean hidden, are refused.

    Raises:
        IndexError: there is no such label.
    """
    if not 0 <= number < len(keys):
        raise IndexError(f"label {number} where 0 to {len(keys) - 1} are allowed")
    return keys[number]


ReadQuestions = Callable[[Reader, str], list[Question]]
"""Function that returns the questions of a language; ids are the same in all languages."""


class HubTask:
    """A task whose questions are read from a data set and rendered by a template.

    Args:
        task: configuration with the places of the data and the template.
        read: function of the data set that returns questions.
        instructions: language of the instructions; None for the language of each prompt.
        translate: function that translates the texts of the task's pivot, for machine-translated
            tasks.
        pivot: language of the other prompt of every pair; None for the task's pivot.
    """

    draws_splits = True

    def __init__(
        self,
        task: TaskConfig,
        read: ReadQuestions,
        instructions: str | None,
        translate: Translate,
        pivot: str | None = None,
    ) -> None:
        if task.template is None:
            raise ConfigError(f"task {task.name} has no template; give one: task.template=NAME")
        self.uses_translations = task.machine_translated
        self.lacking: Mapping[str, int] = {}
        self._task = task
        self._read = read
        self._reader = Reader(task)
        self._template = load_template(task.template)
        self._instructions = instructions
        self._translate = translate
        self._pivot = pivot or task.pivot

    def lazy_instances(self, split: str, language: str, direction: Direction) -> list[LazyInstance]:
        """Return every instance of a language, from which the caller draws the split.

        Raises:
            DataError: the data cannot be read, have other columns than expected, or are not
                parallel.
        """
        del split
        own = self._questions(language)
        originals = self._by_id(own, language, self._task.pivot)
        others = self._by_id(own, language, self._pivot)
        n_lacking = len(others.keys() - {question.id for question in own})
        if self._pivot != self._task.pivot:  # a translation may lack some of the questions
            n_lacking += len([question for question in own if question.id not in others])
            own = [question for question in own if question.id in others]
        if n_lacking:
            self.lacking = {**self.lacking, language: n_lacking}
        return [
            LazyInstance(
                self._id(question),
                originals[question.id].cluster,
                partial(
                    self._build,
                    question,
                    others[question.id],
                    originals[question.id],
                    language,
                    direction,
                ),
            )
            for question in own
        ]

    def _by_id(self, own: Sequence[Question], language: str, pivot: str) -> Mapping[str, Question]:
        """Return the questions of a pivot by id, before they are translated.

        Raises:
            DataError: a question appears twice, or one of `own` is missing in the task's pivot.
        """
        same = language == pivot or self._task.machine_translated
        questions = own if same else self._questions(pivot)
        for code, some in ((language, own), (pivot, questions)):
            if again := _repeated(question.id for question in some):
                raise DataError(
                    f"task {self._task.name}: question {again} appears twice in {code!r}; remove "
                    "one in your own copy: task.id=DIR"
                )
        by_id = {question.id: question for question in questions}
        missing = [question.id for question in own if question.id not in by_id]
        if missing and pivot == self._task.pivot:
            raise DataError(
                f"task {self._task.name}: {len(missing)} questions exist in {language!r} but not "
                f"in {pivot!r}, such as {missing[0]}: these data are not parallel"
            )
        return by_id

    def fingerprint(self, split: str) -> str:
        """Return names of the read data and the template's digest; call `lazy_instances` first."""
        del split
        return f"{self._reader.fingerprint} {self._template.digest}"

    def _questions(self, language: str) -> list[Question]:
        try:
            return self._read(self._reader, language)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DataError(
                f"data {self._task.id!r} ({language}) do not fit task {self._task.name}: "
                f"{type(error).__name__} {error}; check task.revision and task.loader"
            ) from error

    def _is_translated(self, language: str) -> bool:
        return self._task.machine_translated and language != self._task.pivot

    def _translated(self, question: Question, language: str) -> Question:
        """Return a question in a language, translated if the data have it in the pivot alone."""
        if not self._is_translated(language):
            return question
        return replace(
            question,
            fields={name: self._in(language, text) for name, text in question.fields.items()},
            options=tuple(self._in(language, text) for text in question.options),
        )

    def _in(self, language: str, text: str) -> str:
        return translate_prompt(self._translate, text, language, ())

    def _id(self, question: Question) -> str:
        return f"{self._task.name}-{question.id}"

    def _build(
        self,
        own: Question,
        other: Question,
        original: Question,
        language: str,
        direction: Direction,
    ) -> Instance:
        own, other = self._translated(own, language), self._translated(other, self._pivot)
        source, target = source_and_target(direction, other, own)
        source_language, target_language = source_and_target(direction, self._pivot, language)
        if not (target.gold or "").strip():
            raise DataError(
                f"task {self._task.name}: question {own.id} has no gold answer in "
                f"{target_language!r}; remove it in your own copy: task.id=DIR"
            )
        return Instance(
            id=self._id(own),
            language=language,
            source_language=source_language,
            target_language=target_language,
            source=self._put(source, source_language).text,
            target=(rendered := self._put(target, target_language)).text,
            gold=target.gold,
            options=rendered.options,
            aliases=target.aliases,
            # Cluster and category come from the task's pivot, so they are the same in every
            # language.
            cluster=original.cluster,
            category=original.category,
            machine_translated=self._is_translated(language) or self._is_translated(self._pivot),
            source_gold=source.gold if source.gold != target.gold else None,
        )

    def _put(self, question: Question, language: str) -> Rendered:
        instructions = self._instructions or language
        return self._template.render(question, instructions, tuple(self._task.keys))


def _repeated(ids: Iterable[str]) -> str | None:
    """Return the first id that occurs twice; None if there is none."""
    seen = set[str]()
    for each in ids:
        if each in seen:
            return each
        seen.add(each)
    return None
