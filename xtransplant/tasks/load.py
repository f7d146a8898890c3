"""From a configuration to instances: open the data, draw the split, check, add shots, control.

Loads no tokenizer and no weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xtransplant.cache import cache_folder
from xtransplant.config.schema import RunConfig
from xtransplant.config.translate_command import translate_command
from xtransplant.errors import DataError
from xtransplant.tasks.controls import controlled
from xtransplant.tasks.hub_task import Translate
from xtransplant.tasks.lazy_instance import Draft
from xtransplant.tasks.loaders import TaskSource, open_source
from xtransplant.tasks.markers import lost_marker
from xtransplant.tasks.shots import with_shots
from xtransplant.tasks.splits import pick
from xtransplant.tasks.translations import Translations
from xtransplant.types import Direction, Instance


@dataclass(frozen=True)
class Data:
    """What a run works on.

    Attributes:
        instances: of each language.
        fingerprint: digest of everything that made them but the run's own settings.
        source: what was read: id and commit, or digests of files.
        lost_markers: ids of instances read whose prompts lost an option's marker, by language.
        lacking: questions of the pivot that a language's data do not have, where some are missing.
    """

    instances: dict[str, list[Instance]]
    fingerprint: str
    source: str
    lost_markers: Mapping[str, list[str]]
    lacking: Mapping[str, int]


def load_data(config: RunConfig, translate: Translate | None = None) -> Data:
    """Return the instances of each of a run's languages, and where they come from.

    Args:
        config: of a run.
        translate: asked for texts that the data lack; None for the translations on disk.

    Raises:
        ConfigError: settings that do not go together.
        DataError: data that is missing, malformed or empty; a translation that is missing.
    """
    translations = open_translations(config)
    task = config.task
    source = open_source(task, config.prompt.instruction_language, translate or translations)
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

    def load(language: str) -> list[Instance]:
        return _of_language(replace(config, limit=None), source, split, language)[0]

    others = [language for language in task.languages if language != task.pivot]
    instances = controlled(config.control, instances, config.seed, others, load)
    read = source.fingerprint(split)
    made_by = translations.identity if source.uses_translations else ""
    lacking = {each: source.lacking[each] for each in config.languages if each in source.lacking}
    return Data(instances, f"{read} {made_by}".rstrip(), read, lost, lacking)


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
    """Return the instances of a language, and the ids of those that lost markers."""
    task = config.task
    pool = source.drafts(split, language, Direction(config.direction or task.direction))
    chosen = pool
    if source.draws_splits:
        chosen = pick(pool, split, task.sample_size, task.sample_seed, task.sample_by)
    instances: list[Instance] = []
    lost = []
    for draft in chosen:
        if len(instances) == config.limit:
            break
        instance = draft.build()
        if found := lost_marker(instance):
            side, marker = found
            if task.lost_markers == "refuse":
                raise DataError(
                    f"{draft.lines.get(side, instance.id)}: option marker {marker} is missing from "
                    f"the {side} prompt; mend it, or set task.lost_markers=keep or =drop"
                )
            lost.append(instance.id)
            if task.lost_markers == "drop":
                continue
        instances.append(instance)
    if task.sample_by == "cluster" and len(instances) == config.limit:
        instances = _whole_clusters(instances, chosen)
    if config.prompt.style == "few_shot":
        seed = task.sample_seed
        sample = {one.id for one in pick(pool, "sample", task.sample_size, seed, task.sample_by)}
        instances = with_shots(instances, pool, sample, config.prompt.shots, seed)
    return instances, lost


def _whole_clusters(instances: list[Instance], chosen: Sequence[Draft]) -> list[Instance]:
    """Leave out those of the last cluster if the limit has cut it."""
    of_cluster = [draft.id for draft in chosen if draft.cluster == instances[-1].cluster]
    if instances[-1].id == of_cluster[-1]:
        return instances
    whole = [one for one in instances if one.cluster != instances[-1].cluster]
    if not whole:
        raise DataError(
            f"limit {len(instances)} cuts a question of {len(of_cluster)} instances; "
            f"allowed: {len(of_cluster)} or more, or null"
        )
    return whole
