"""The command that translates the texts of a run, shown in messages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict

from xtransplant.config.compose import entries
from xtransplant.config.schema import PromptConfig, RunConfig, TaskConfig, TranslationConfig
from xtransplant.yaml_file import read_yaml

CHOOSES_TEXTS = (
    *("file", "id", "revision", "config", "data_split", "sample_size", "sample_seed", "sample_by"),
    *("pivot_id", "pivot_revision", "pivot_config"),
)
"""Keys of a task that determine which questions are read."""


def _shipped(task: str) -> Mapping[str, object]:
    """Return the content of a task's shipped YAML file; empty for a user's own task."""
    path = entries("task").get(task)
    return read_yaml(path) if path else {}


def translate_command(config: RunConfig) -> str:
    """Return the command that translates the texts of a run with this configuration."""
    task = config.task
    asked: dict[str, object] = {
        "task": task.name,
        **{f"task.{key}": getattr(task, key) for key in CHOOSES_TEXTS},
        "languages": f"[{','.join(config.languages)}]",
        "split": config.split,
        "limit": config.limit,
        "translation.model": config.translation.model,
    }
    usual = {"control": "none", "seed": 0, "direction": task.direction, "pivot": None}
    asked |= {key: getattr(config, key) for key in usual}
    entry = _shipped(task.name)
    usual |= {f"task.{key}": entry.get(key, getattr(TaskConfig, key)) for key in CHOOSES_TEXTS}
    for section, unset in (("prompt", PromptConfig()), ("translation", TranslationConfig())):
        given = asdict(getattr(config, section))
        usual |= {f"{section}.{key}": value for key, value in asdict(unset).items()}
        asked |= {f"{section}.{key}": value for key, value in given.items()}
    usual.pop("translation.model")
    words = [
        _quoted(f"{key}=", str(value))
        for key, value in asked.items()
        if value is not None and value != usual.get(key)
    ]
    return " ".join(["xtransplant translate", *words])


def _quoted(key: str, value: str) -> str:
    """Return an override, quoted for the shell and for Hydra."""
    plain = re.fullmatch(r"[\w./@:~,\[\]-]+", value)
    return key + value if plain else shlex.quote(f'{key}"{value}"')
