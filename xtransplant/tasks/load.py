"""From a configuration to instances: open the data, draw the split, check, add shots, control.

No tokenizer and no weights are loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path

from xtransplant.cache import cache_folder
from xtransplant.config.schema import RunConfig
from xtransplant.config.translate_command import translate_command
from xtransplant.errors import DataError
from xtransplant.prompts.styles import STYLES
from xtransplant.tasks.controls import (
    Inputs,
    controlled,
    fixes_of_draws,
    require_goes_with,
)
from xtransplant.tasks.hub_task import Translate
from xtransplant.tasks.lazy_instance import LazyInstance
from xtransplant.tasks.loaders import TaskSource, open_source
from xtransplant.tasks.markers import LOST_MARKERS, Decide, find_lost_marker
from xtransplant.tasks.shots import fixes_of_shots, ranked_for_shots, with_shots
from xtransplant.tasks.splits import UNITS, draw_split
from xtransplant.tasks.translations import Translations
from xtransplant.types import Direction, Instance


@dataclass(frozen=True)
class Data:
    """The data of a run.

    Attributes:
        instances: instances by language.
        fingerprint: name of everything that the instances are made from, except for the settings.
        source: name of the data that were read: id and commit, or digests of files.
        lost_markers: ids of instances whose prompts lack an option's marker, by language.
        lacking: number of the pivot's questions that a language's data lack, by language; languages
            that lack none are left out.
        fixes: names of bug fixes that changed these instances, for the run key.
    """

    instances: dict[str, list[Instance]]
    fingerprint: str
    source: str
    lost_markers: Mapping[str, list[str]]
    lacking: Mapping[str, int]
    fixes: Collection[str] = ()


def load_data(config: RunConfig, translate: Translate | None = None) -> Data:
    """Return the instances of each of a run's languages, with their origin.

    Args:
        config: configuration of the run.
        translate: function that translates missing texts; None to read the translations on disk.

    Raises:
        ConfigError: settings cannot be combined.
        DataError: data are missing, malformed or empty, or a translation is missing.
    """
    require_goes_with(config.control, asdict(config.intervention))
    translations = open_translations(config)
    task = config.task
    instructions = config.prompt.instruction_language
    source = open_source(task, instructions, translate or translations, config.pivot)
    split = config.split or task.splits[0]
    instances, lost = {}, {}
    for language in config.languages:
        instances[language], lost_here = _of_language(config, source, split, language)
        if lost_here:
            lost[language] = lost_here
        if not instances[language]:
            raise DataError(
                f"task {task.name!r}, split {split!r} has no instances in {language!r}"
                + (f"; {len(lost_here)} were dropped for lost markers" if lost_here else "")
            )

    fixes: set[str] = set()

    @cache
    def whole(language: str) -> list[Instance]:
        return _of_language(replace(config, limit=None), source, split, language)[0]

    def shown(asked: Sequence[Instance], language: str, some: list[Instance]) -> list[Instance]:
        after_shots, names = _after_shots(config, source, split, language, some, asked)
        fixes.update(names)
        return after_shots

    def load(asked: Sequence[Instance], language: str) -> list[Instance]:
        return shown(asked, language, whole(language))

    others = [each for each in task.languages if each != (config.pivot or task.pivot)]
    for language, asked in instances.items():
        own = {language: shown(asked, language, asked)}
        fixes |= fixes_of_draws(config.control, own, config.seed)
        inputs = Inputs(own, config.seed, others, partial(load, asked))
        instances |= controlled(config.control, inputs)
    read = source.fingerprint(split)
    made_by = translations.identity if source.uses_translations else ""
    lacking = {each: source.lacking[each] for each in config.languages if each in source.lacking}
    return Data(instances, f"{read} {made_by}".rstrip(), read, lost, lacking, fixes)


def open_translations(config: RunConfig) -> Translations:
    """Return the translations that a run may read."""
    given = config.translation
    folder = Path(given.folder).expanduser() if given.folder else cache_folder() / "translations"
    is_local = Path(given.model).expanduser().is_dir()
    revision = None if is_local else given.revision
    return Translations(folder, given.model, revision, translate_command(config))


def _of_language(
    config: RunConfig, source: TaskSource, split: str, language: str
) -> tuple[list[Instance], list[str]]:
    """Return the instances of a language, without shots, and the ids of those that lack markers."""
    task, unit = config.task, UNITS[config.task.sample_by]
    pool = _pool(config, source, split, language)
    of_split = _draw(config, pool, split) if source.draws_splits else pool
    instances, lost = _built(of_split, config.limit, LOST_MARKERS[task.lost_markers])
    if unit.whole_clusters and len(instances) == config.limit:
        instances = _whole_clusters(instances, of_split)
    return instances, lost


def _after_shots(
    config: RunConfig,
    source: TaskSource,
    split: str,
    language: str,
    instances: list[Instance],
    asked: Sequence[Instance],
) -> tuple[list[Instance], set[str]]:
    """Return the instances with the shots of their style, and the fixes that changed the shots."""
    if not STYLES[config.prompt.style].shots:
        return instances, set()
    pool = _pool(config, source, split, language)
    sample = {one.id for one in _draw(config, pool, "sample")}
    ranked = ranked_for_shots(pool, sample, config.task.sample_seed)
    n = config.prompt.shots
    return with_shots(instances, asked, ranked, n), fixes_of_shots(instances, asked, ranked, n)


def _pool(config: RunConfig, source: TaskSource, split: str, language: str) -> list[LazyInstance]:
    return source.lazy_instances(
        split, language, Direction(config.direction or config.task.direction)
    )


def _draw(config: RunConfig, pool: Sequence[LazyInstance], split: str) -> list[LazyInstance]:
    task = config.task
    unit = UNITS[task.sample_by]
    return draw_split(pool, split, size=task.sample_size, seed=task.sample_seed, unit=unit)


def _built(
    of_split: Sequence[LazyInstance], limit: int | None, stays: Decide
) -> tuple[list[Instance], list[str]]:
    """Return at most `limit` instances, and the ids of those that lack markers, dropped or not."""
    instances: list[Instance] = []
    lost = []
    for lazy in of_split:
        if len(instances) == limit:
            break
        instance = lazy.build()
        if found := find_lost_marker(instance):
            stay = stays(found, lazy.lines.get(found.side, instance.id))
            lost.append(instance.id)
            if not stay:
                continue
        instances.append(instance)
    return instances, lost


def _whole_clusters(instances: list[Instance], of_split: Sequence[LazyInstance]) -> list[Instance]:
    """Remove the instances of the last cluster if the limit has cut it."""
    of_cluster = [lazy.id for lazy in of_split if lazy.cluster == instances[-1].cluster]
    if instances[-1].id == of_cluster[-1]:
        return instances
    whole = [one for one in instances if one.cluster != instances[-1].cluster]
    if not whole:
        raise DataError(
            f"limit {len(instances)} splits a question of {len(of_cluster)} instances; "
            f"allowed: {len(of_cluster)} or more, or null"
        )
    return whole
