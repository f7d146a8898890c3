"""Composition of a checked `RunConfig` from overrides and the YAML files of `conf/`.

Hydra is imported only when a run is composed, so that `xtransplant ls` stays quick.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from xtransplant.calls import quote_calls
from xtransplant.config.schema import (
    ModelConfig,
    RunConfig,
)
from xtransplant.errors import ConfigError, unknown
from xtransplant.yaml_file import not_utf8, require_tame

if TYPE_CHECKING:
    from omegaconf import DictConfig

T = TypeVar("T")

ANY_CHECKPOINT = "hf"
"""The model entry for any checkpoint; its results are named after the checkpoint's id."""

TAKES_CALLS = ("task.scorer",)
"""Keys whose values may be calls such as `regex(pattern="a")`."""

NOT_ASCII = re.compile(r"[^][{}(),]*[^\x00-\x7f][^][{}(),]*")
"""A text between brackets and commas with a letter that is not ASCII."""

GROUPS = ("model", "task", "grid", "intervention", "decode", "experiment")


NAMES = (
    *("model.name", "task.name", "task.splits", "task.languages", "task.pivot", "grid.name"),
    *("split", "languages", "module", "control"),
)
"""Settings that become part of names of folders, files and columns."""


def conf_dir() -> Path:
    """Return the shipped `conf` folder: in the package if installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def entries(group: str, config_dir: Path | None = None) -> dict[str, Path]:
    """Return the YAML files of a config group's entries, both shipped and the user's, by name.

    Raises:
        ConfigError: `config_dir` is not a folder, or repeats the name of a shipped entry.
    """
    shipped = {path.stem: path for path in sorted((conf_dir() / group).glob("*.yaml"))}
    if config_dir is None:
        return shipped
    if not config_dir.is_dir():
        raise ConfigError(
            f"config folder {str(config_dir)!r} is not a folder; "
            f"allowed: a folder that holds any of {', '.join(GROUPS)}"
        )
    own = {path.stem: path for path in sorted((config_dir / group).glob("*.yaml"))}
    if repeated := sorted(shipped.keys() & own.keys()):
        raise ConfigError(
            f"{own[repeated[0]]} has the name of a shipped {group}, which would hide it; rename it"
        )
    return shipped | own


def compose(overrides: Sequence[str], config_dir: Path | None = None) -> RunConfig:
    """Compose a run from Hydra overrides, with `direction`, `split` and `languages` resolved.

    Args:
        overrides: overrides such as `["task=xnli", "languages=[fr,sw]"]`.
        config_dir: folder of the user's own entries (`model/*.yaml` and so on).

    Raises:
        ConfigError: an override or an entry is wrong.
    """
    given = [_readable(override) for override in overrides]
    checked = [values[0] for values in _check(given, config_dir)]
    return _compose_checked(checked, config_dir)


def sweep(
    overrides: Sequence[str],
    job: Callable[[Callable[[], RunConfig], list[str]], T],
    config_dir: Path | None = None,
) -> list[T]:
    """Call `job` for every combination of swept values, with Hydra's sweeper and launcher.

    Every value is checked before the first job starts.

    Args:
        overrides: overrides such as `["module=attn,mlp", "limit=range(1,5)"]`.
        job: function that does one job. Its arguments are a function that composes the job's
            configuration, and the job's overrides. Launchers pickle it.
        config_dir: as for `compose`.

    Returns:
        Return values of the jobs.

    Raises:
        ConfigError: an override or an entry is wrong.
    """
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    axes = _check([_readable(each) for each in overrides], config_dir, sweep=True)
    first = [values[0] for values in axes]
    for axis, values in enumerate(axes):
        for value in values:
            _compose_checked([*first[:axis], value, *first[axis + 1 :]], config_dir)

    def task(composed: DictConfig) -> T:
        files = _own_files(HydraConfig.get().runtime.choices, config_dir)
        return job(partial(_finish, composed, files), list(HydraConfig.get().overrides.task))

    with _hydra(config_dir) as search_path:
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        # Values are listed one by one because Hydra's glob() does not search the user's folder.
        spelled_out = [_values_in_one(values) for values in axes]
        batches = hydra.multirun(
            "config", task, [*search_path, *spelled_out], with_log_configuration=False
        )
    return [finished.return_value for batch in batches for finished in batch]


def find_model(name_or_id: str, config_dir: Path | None = None) -> ModelConfig:
    """Return the model entry with a name, or one for a Hugging Face id, local folder or GGUF file.

    Raises:
        ConfigError: the text is neither a name in `conf/model` nor an id, folder or file.
    """
    names = entries("model", config_dir)
    if name_or_id in names:
        return compose([f"model={name_or_id}"], config_dir).model
    if "/" not in name_or_id and not Path(name_or_id).exists():
        hint = "or a checkpoint: org/name, a folder, a GGUF file"
        raise ConfigError(unknown("model", name_or_id, names, hint))
    return compose([f"model={ANY_CHECKPOINT}", f"model.id={_quoted(name_or_id)}"], config_dir).model


def _check(
    overrides: Sequence[str], config_dir: Path | None, *, sweep: bool = False
) -> list[list[str]]:
    from xtransplant.config.validate import check_overrides

    return check_overrides(overrides, _options(config_dir), sweep=sweep)


def _options(config_dir: Path | None) -> dict[str, list[str]]:
    return {group: [*entries(group, config_dir)] for group in GROUPS}


def _compose_checked(overrides: Sequence[str], config_dir: Path | None) -> RunConfig:
    from hydra import compose
    from omegaconf import open_dict

    with _hydra(config_dir) as search_path:
        composed = compose("config", [*search_path, *overrides], return_hydra_config=True)
        files = _own_files(composed.hydra.runtime.choices, config_dir)
        with open_dict(composed):
            del composed["hydra"]
        return _finish(composed, files)


def _own_files(choices: Mapping[str, str], config_dir: Path | None) -> dict[str, Path]:
    """Return the chosen files of the user's own folder, by config group."""
    if config_dir is None:
        return {}
    paths = {group: config_dir / group / f"{choices.get(group)}.yaml" for group in GROUPS}
    return {group: path for group, path in paths.items() if path.is_file()}


def _refuse_interpolated_names(composed: DictConfig) -> None:
    """Refuse `${...}` in names: it could put a secret of the environment into paths.

    Raises:
        ConfigError: a name contains an interpolation.
    """
    from omegaconf import OmegaConf

    written: Any = OmegaConf.to_container(composed, resolve=False)
    names = {key: _written(written, key) for key in NAMES}
    if names["model.name"] == ANY_CHECKPOINT:  # then the end of the id is the name
        end = str(written["model"]["id"]).rpartition("/")[2]
        names["model.id"] = "${" if "}" in end else end
    for key, value in names.items():
        if "${" in str(value):
            raise ConfigError(
                f"{key} contains an interpolation (${{…}}); allowed: a plain name, because it "
                "becomes part of paths"
            )


def _written(settings: Any, key: str) -> object:
    """Return a setting as it is written; of a section that is an interpolation, the section."""
    for name in key.split("."):
        if isinstance(settings, str):
            break
        settings = settings[name]
    return settings


def _finish(composed: DictConfig, files: Mapping[str, Path]) -> RunConfig:
    from omegaconf import OmegaConf

    from xtransplant.config.validate import check_values, selected_languages
    from xtransplant.config.yaml_texts import restore_texts

    _refuse_interpolated_names(composed)
    if missing := sorted(OmegaConf.missing_keys(composed)):
        raise ConfigError(f"{missing[0]} has no value; give one: {missing[0]}=…")
    config: RunConfig = OmegaConf.to_object(composed)  # type: ignore[assignment]
    restore_texts(config, files)
    if config.model.name == ANY_CHECKPOINT:
        config.model.name = Path(os.path.abspath(config.model.id)).name
    if config.task.loader == "prompts" and not config.task.languages:
        from xtransplant.config.prompts_file import languages_in, own_file

        config.task.languages = languages_in(own_file(config.task))
    check_values(config)
    config.direction = config.direction or config.task.direction
    config.split = config.split or config.task.splits[0]
    config.pivot = None if config.pivot == config.task.pivot else config.pivot
    config.languages = selected_languages(config)
    return config


@contextmanager
def _hydra(config_dir: Path | None) -> Iterator[list[str]]:
    """Set up Hydra, yield the overrides that add the user's folder, and translate its errors."""
    from hydra import initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from xtransplant.config.validate import message_of

    for path in config_dir.rglob("*.yaml") if config_dir else ():
        require_tame(path)
    ConfigStore.instance().store("schema", RunConfig)
    search_path = (
        [f"hydra.searchpath=[{_quoted(f'file://{config_dir.resolve()}')}]"] if config_dir else []
    )
    try:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            yield search_path
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise ConfigError(message_of(error, _options(config_dir))) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{not_utf8(config_dir)} is not YAML: {error}") from error


def _values_in_one(overrides: Sequence[str]) -> str:
    key = overrides[0].partition("=")[0]
    return f"{key}=" + ",".join(override.partition("=")[2] for override in overrides)


def _readable(override: str) -> str:
    """Return an override in a form that Hydra can read.

    `~` in `KEY=~/FOLDER`, which shells do not expand, becomes the home folder. Scorers with
    arguments are quoted, because Hydra takes `regex(…)` for one of its own functions. Texts with
    letters outside ASCII are quoted too, because Hydra reads those only in quotes.
    """
    key, equals, value = override.partition("=")
    if value.startswith("~/"):
        value = _quoted(os.path.expanduser(value))
    if key in TAKES_CALLS:
        value = quote_calls(value, _quoted, _hydra_functions())
    elif not value.isascii() and not set("'\"$") & set(value):
        value = NOT_ASCII.sub(lambda found: _quoted(found[0].strip()), value)
    return f"{key}{equals}{value}"


def _hydra_functions() -> Collection[str]:
    """Return the functions of Hydra's override grammar, such as `choice` and `range`."""
    from hydra.core.override_parser.overrides_parser import create_functions

    return create_functions().functions


def _quoted(text: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text, Quote.single).with_quotes()
