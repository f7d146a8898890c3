"""Texts of a user's YAML files that YAML reads as numbers.

YAML reads `revision: 83e2010` as infinity and `name: 007` as 7. Text fields keep what is written in
the file. For the command line, `validate.check_overrides` does the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from xtransplant.config.schema import RunConfig
from xtransplant.config.schema_keys import is_text, schema_keys
from xtransplant.yaml_file import read_yaml


def restore_texts(config: RunConfig, files: Mapping[str, Path]) -> None:
    """Restore the values of text fields, and of lists of texts, as written in YAML files.

    Args:
        config: composed configuration, which is changed.
        files: user's own files that it was composed from, by config group.
    """
    from omegaconf import OmegaConf

    types = schema_keys()
    for group, path in files.items():
        prefix = "" if group == "experiment" else f"{group}."
        written = dict(_leaves(read_yaml(path, as_written=True), prefix))
        read = dict(_leaves(OmegaConf.to_container(OmegaConf.load(path)), prefix))
        for key, text in written.items():
            if not is_text(types.get(key, "")) or read.get(key) is None:
                continue
            section, _, name = key.rpartition(".")
            owner = attrgetter(section)(config) if section else config
            if getattr(owner, name) == _texts(read[key]):  # no override has changed it
                setattr(owner, name, text)


def _leaves(content: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        return
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _texts(value: Any) -> Any:
    return [str(each) for each in value] if isinstance(value, list) else str(value)
