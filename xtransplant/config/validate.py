"""Checks of a configuration, with one-line errors.

Keys, names and types are checked before Hydra composes a configuration, values afterwards. This
module knows the schema and Hydra's grammar, but not where YAML files are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from operator import attrgetter

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xtransplant.config.intervention import Intervention, require_writable
from xtransplant.config.names import require_names
from xtransplant.config.schema import RunConfig
from xtransplant.config.schema_keys import enumerated_keys, is_text, schema_keys
from xtransplant.config.untouched import require_sense
from xtransplant.errors import ConfigError, unknown
from xtransplant.types import Direction, ModuleType
from xtransplant.yaml_file import nesting

Options = Mapping[str, Sequence[str]]
"""The names of each config group's YAML files."""

WORDING = {
    "int": "an integer",
    "float": "a number",
    "int | None": "an integer or null",
    "str": "text",
    "str | None": "text or null",
    "bool": "true or false",
    "list[str]": "a list of names such as [en,fr]",
    "list[str] | None": "a list of names such as [en,fr], or null",
    "list[int] | None": "a list of layers such as [0,5,-1], or null",
    "list[list[int]] | None": "a list of pairs such as [[16,4],[-1,0]], or null",
    "Any": "all, or a list of names such as [fr,sw]",
}
"""The wording of each field type in messages."""

CHOICES: Mapping[str, Sequence[str]] = {
    **enumerated_keys(),
    "module": list(ModuleType),
    "direction": list(Direction),
    "task.direction": list(Direction),
}
"""The allowed values of each enumerated key; each value has a handler, see `schema`."""


MOST_BRACKETS = 20
"""Maximum nesting of brackets in an override; Hydra's parser takes minutes for deep nesting."""

PLAIN = re.compile(r"[\w./@:+-]+")
"""A value without quotes, brackets and spaces."""


def check_overrides(
    overrides: Sequence[str], options: Options, *, sweep: bool = False
) -> list[list[str]]:
    """Check each override by itself: syntax, key, group entry, type.

    Args:
        overrides: overrides as typed.
        options: entries of each group.
        sweep: whether an override may have several values.

    Returns:
        For each override, a list with one override for each of its values.

    Raises:
        ConfigError: an override is wrong; the message is about the first one.
    """
    keys = schema_keys()
    schema = OmegaConf.structured(RunConfig)
    expanded = []
    for text in overrides:
        override = _parse(text)
        if override.is_hydra_override():  # Hydra checks its own keys
            expanded.append([text])
            continue
        if override.is_delete():
            raise ConfigError(f"{text!r} removes a key; allowed: KEY=VALUE; give it another value")
        key = override.key_or_group
        if key not in keys and key not in options:
            raise ConfigError(_unknown_key(key, keys, options))
        if override.is_sweep_override() and not sweep:
            raise ConfigError(_several_values(text, keys.get(key, "")))
        values = list(_single_values(override, options))
        for value in values:
            if key in options:
                _check_option(value, options[key])
            else:
                _check_type(value, keys[key], schema)
        expanded.append([_kept_as_text(value, text, keys.get(key, "")) for value in values])
    return expanded


def _kept_as_text(override: Override, text: str, type_: str) -> str:
    """Return an override whose value Hydra reads as text if its field is one.

    Without quotes, Hydra would read revision=83e2010 as a number.
    """
    line = override.input_line or text
    value: object = override.value()
    if not is_text(type_) or value is None or not isinstance(value, int | float):
        return line
    key, _, written = line.partition("=")
    return f"{key}={QuotedString(written.strip(), Quote.single).with_quotes()}"


def check_values(config: RunConfig) -> None:
    """Check the values of a composed configuration.

    Raises:
        ConfigError: the first value that is not allowed.
    """
    task = config.task
    for key, allowed in CHOICES.items():
        value = attrgetter(key)(config)
        if value is not None:
            _require_one_of(key, value, allowed)
    if not task.splits:
        raise ConfigError("task.splits is empty; give the names of the data's splits: [dev,test]")
    if config.split is not None:
        _require_one_of("split", config.split, task.splits, f"task {task.name}: ")
    _require_at_least_one("limit", config.limit)
    _require_at_least_one("rows_per_batch", config.rows_per_batch)
    _require_at_least_one("decode.max_new_tokens", config.decode.max_new_tokens)
    _require_at_least_one("prompt.shots", config.prompt.shots)
    _require_at_least_one("task.sample_size", task.sample_size)
    _require_at_least_one("translation.max_new_tokens", config.translation.max_new_tokens)
    _require_at_least_one("grid.stride", config.grid.stride)
    _require_at_least_one("shard.count", config.shard.count)
    if config.grid.pairs and config.grid.file:
        raise ConfigError("grid.pairs and grid.file both have a value; allowed: one of them")
    if config.grid.pairs == [] and not config.grid.file:
        raise ConfigError(
            "grid.pairs is empty; give it pairs: grid.pairs=[[16,4],[-1,0]], or grid.file=FILE"
        )
    if not 0 <= config.shard.index < config.shard.count:
        nearest = 0 if config.shard.index < 0 else config.shard.count - 1
        raise ConfigError(
            f"bad value {config.shard.index} for shard.index; allowed: 0 to "
            f"{config.shard.count - 1} (shard.count={config.shard.count}); nearest match: {nearest}"
        )
    require_sense(config)
    require_writable(Intervention(**asdict(config.intervention)), ModuleType(config.module))
    require_names(config.model.name, task.name, config.grid.name, task.splits)
    selected_languages(config)


def selected_languages(config: RunConfig) -> list[str]:
    """Return the languages of a run, each once; "all" means the data's, except for the pivot.

    Raises:
        ConfigError: the task does not have a language or the pivot, or no language is left.
    """
    task, asked, pivot = config.task, config.languages, config.pivot or config.task.pivot
    if config.pivot and config.pivot != task.pivot:
        _require_one_of("pivot", config.pivot, task.languages, f"task {task.name}: ")
    if asked == "all":
        there = (task.data_dir and task.data_dir_languages) or task.languages
        asked = [language for language in there if language != pivot]
        if there and not asked:
            raise ConfigError(
                f"task {task.name}: languages=all selects none, because its only language "
                f"{pivot!r} is on the other side of every pair; name it: "
                f"languages=[{pivot}]"
            )
    given = [asked] if isinstance(asked, str) else asked
    if not isinstance(given, list) or not given:
        raise ConfigError(f"bad value {asked!r} for languages; allowed: {WORDING['Any']}")
    names = [str(name) for name in given]  # the user's own file may call a language 7
    for name in names:
        _require_one_of("language", name, task.languages, f"task {task.name}: ")
    return list(dict.fromkeys(names))


def message_of(error: Exception, options: Options) -> str:
    """Return the message of an error of Hydra or OmegaConf as one line.

    Such errors concern YAML files and `hydra.` keys; other mistakes are found earlier.
    """
    text = str(error).partition("Config search path")[0]
    key = re.search(r"full_key: (\S+)", text)
    where = re.match(r"In '[^']*': ", text)
    if where and key and key[1] == "experiment":
        return where[0] + "an experiment must begin with the line '# @package _global_'"
    if key and key[1].partition("[")[0] not in schema_keys():
        return (where[0] if where else "") + _unknown_key(key[1], schema_keys(), options)
    text = re.sub(r"(object|reference)_type=.*", "", text).replace("full_key:", "key:")
    text = " ".join(text.split())
    if no_option := re.search(
        r"Could not find '(\S+)/(\S+)' Available options in '\1': (.+)", text
    ):
        return unknown(no_option[1], no_option[2], no_option[3].split())
    return text


def _parse(text: str) -> Override:
    if "=" not in text and not text.startswith("~"):
        raise ConfigError(f"{text!r} is not an override; allowed: KEY=VALUE such as task=xnli")
    if nesting(text, "[{(", "]})") > MOST_BRACKETS:
        raise ConfigError(
            f"cannot read {text[:39] + '…'!r}: brackets are nested more than {MOST_BRACKETS} deep"
        )
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        reason = str(error).partition(" expecting")[0].partition("\n")[0]
        raise ConfigError(
            f"cannot read {text!r}: {reason}; "
            "put special characters in quotes, as in 'task.data_dir=\"a (b)\"'"
        ) from error


def _single_values(override: Override, options: Options) -> Iterator[Override]:
    if not override.is_sweep_override():
        yield override
        return
    value: object = override.value()  # Hydra's annotation omits Glob
    if isinstance(value, Glob):
        texts = value.filter(list(options.get(override.key_or_group, [])))
    elif override.is_discrete_sweep():
        texts = list(override.sweep_string_iterator())
        # By now Hydra has read 1e5 as a number, so plain values are taken as typed.
        typed = [each.strip() for each in (override.input_line or "").partition("=")[2].split(",")]
        if len(typed) == len(texts) and all(PLAIN.fullmatch(each) for each in typed):
            texts = typed
    else:
        raise ConfigError(f"cannot sweep over {override.input_line!r}; allowed: values or range()")
    if not texts:
        raise ConfigError(f"{override.input_line!r} matches nothing to sweep over")
    for text in texts:
        yield _parse(f"{override.get_key_element()}={text}")


def _unknown_key(key: str, keys: Mapping[str, str], options: Options) -> str:
    everything = [*keys, *options]
    close = get_close_matches(key, everything, n=1, cutoff=0.4)
    # Groups have many fields; they are listed only if one of them is the nearest match.
    hidden = tuple(f"{group}." for group in options if not close or _section(close[0]) != group)
    return unknown("key", key, [name for name in everything if not name.startswith(hidden)])


def _section(key: str) -> str:
    return key.partition(".")[0]


def _several_values(text: str, type_: str) -> str:
    key, _, values = text.partition("=")
    as_list = f"; for a list write {key}=[{values}]" if type_.startswith(("list", "Any")) else ""
    return f"{text!r} has several values; to sweep over them add -m{as_list}"


def _check_option(override: Override, names: Sequence[str]) -> None:
    group, value = override.key_or_group, override.value()
    if value in names:
        return
    hint = "any other checkpoint: model=hf model.id=org/name" if group == "model" else ""
    raise ConfigError(unknown(group, override.get_value_string(), names, hint))


def _check_type(override: Override, type_: str, schema: DictConfig) -> None:
    key = override.key_or_group
    try:
        OmegaConf.update(schema, key, override.value())
    except OmegaConfBaseException as error:
        allowed = ", ".join(CHOICES[key]) if key in CHOICES else WORDING[type_]
        raise ConfigError(
            f"bad value {override.get_value_string()!r} for {key}; allowed: {allowed}"
        ) from error


def _require_one_of(kind: str, value: str, allowed: Sequence[str], where: str = "") -> None:
    if value not in allowed:
        raise ConfigError(where + unknown(kind, value, allowed))


def _require_at_least_one(key: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ConfigError(f"bad value {value} for {key}; allowed: 1 or more; nearest match: 1")
