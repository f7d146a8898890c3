"""The run key: a hash of what changes results, and the folder that it names.

How keys stay the same from one version to the next: docs/run-keys.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from xtransplant.config.schema import DRAWING_CONTROLS, InterventionConfig, RunConfig
from xtransplant.config.untouched import UNTOUCHED, is_untouched
from xtransplant.types import Cell

FIRST = (
    *("model.dtype", "model.language_token"),
    *("model.family.layers", "model.family.attn", "model.family.mlp"),
    *("model.family.cross_attn", "model.family.encoder_layers"),
    *("task.name", "task.loader", "task.pivot", "task.keys", "task.lost_markers"),
    *("task.sample_size", "task.sample_seed", "task.sample_by"),
    *("direction", "split", "module", "control", "seed", "limit"),
    *("prompt.style", "prompt.instruction_language", "prompt.shots"),
    "decode.max_new_tokens",
)
"""Settings that the first version hashed, in the form that `_first_facts` gives them."""

DATA = "the data's fingerprint tells which texts were read"
MODEL = "the model's identity tells which weights were read"
CELLS = "the cells are hashed, not how they were chosen"
TOLD = "it is only displayed"
WORK = "it says where and how the work is done, which changes no result"

LEFT_OUT: Mapping[str, str] = {
    **dict.fromkeys(("model.id", "model.revision", "model.distribution"), MODEL),
    **dict.fromkeys(("model.adapter", "model.adapter_revision"), MODEL),
    **dict.fromkeys(("model.trust_remote_code", "model.allow_pickle"), MODEL),
    **dict.fromkeys(("model.about.family", "model.about.layers", "model.about.parameters"), TOLD),
    **dict.fromkeys(("model.about.licence", "model.about.gated"), TOLD),
    **dict.fromkeys(("task.licence", "task.size"), TOLD),
    **dict.fromkeys(("task.id", "task.revision", "task.config", "task.data_split"), DATA),
    **dict.fromkeys(("task.pivot_id", "task.pivot_revision", "task.pivot_config"), DATA),
    **dict.fromkeys(("task.data_dir", "task.data_dir_languages", "task.file"), DATA),
    **dict.fromkeys(("task.template", "task.machine_translated"), DATA),
    **dict.fromkeys(("translation.model", "translation.revision"), DATA),
    **dict.fromkeys(("translation.instruction", "translation.max_new_tokens"), DATA),
    **dict.fromkeys(("translation.allow_pickle", "translation.folder"), DATA),
    **dict.fromkeys(("grid.name", "grid.source_layers", "grid.target_layers"), CELLS),
    **dict.fromkeys(("grid.stride", "grid.pairs", "grid.file", "grid.untouched"), CELLS),
    **dict.fromkeys(("shard.index", "shard.count", "rows_per_batch"), WORK),
    **dict.fromkeys(("device", "device_map", "output_root", "dry_run"), WORK),
    "model.name": "it names the folder",
    "task.splits": "the split is hashed",
    "task.direction": "the direction is hashed",
    "task.languages": "the instances are in files by language; see `_first_facts` for one control",
    "task.scorer": "scorers only read texts, and the parts say which one did",
    "languages": "the parts are files by language",
}
"""Settings that are not in the key, and why."""

INTERVENTION = tuple(f"intervention.{field.name}" for field in fields(InterventionConfig))

COUNTS_WHERE: Mapping[str, Callable[[RunConfig], bool]] = {
    "seed": lambda config: config.control in DRAWING_CONTROLS,
    "module": lambda config: not is_untouched(config),
    "decode.temperature": lambda config: config.control == "samples",
    **dict.fromkeys(INTERVENTION, lambda config: not is_untouched(config)),
    "prompt.shots": lambda config: config.prompt.style == "few_shot",
}
"""Settings that change results in some runs only; in all others they are hashed as the default."""


def run_key(
    config: RunConfig,
    *,
    data_fingerprint: str,
    model_identity: str,
    cells: Sequence[Cell],
    fixes: Collection[str] = (),
    learned: Sequence[str] | None = None,
) -> str:
    """Hash what changes results, and nothing else, to 12 hexadecimal characters.

    Args:
        config: a run.
        data_fingerprint: digest of the data's content, of templates and of translations.
        model_identity: id and revision, or digest of the content; never a path.
        cells: the grid, resolved; its order and its name do not count.
        fixes: names of later fixes that changed the prompts or draws of this very run, so that it
            is done again and no others are.
        learned: split and fingerprint of the data from which vectors are learned; None if none are.
    """
    settings, defaults = dict(_settings(config)), dict(_settings(RunConfig()))
    settings |= {key: defaults[key] for key, counts in COUNTS_WHERE.items() if not counts(config)}
    facts = _first_facts(config, settings, data_fingerprint, model_identity, cells)
    later = settings.keys() - {*FIRST, *LEFT_OUT}
    if changed := {key: settings[key] for key in later if settings[key] != defaults[key]}:
        facts["later"] = changed
    if learned:
        facts["learned"] = list(learned)
    if fixes:
        facts["fixes"] = sorted(fixes)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def idle_settings(settings: Mapping[str, Any]) -> set[str]:
    """Return the settings that change nothing in a run with some settings, by dotted key."""
    config = RunConfig()
    for key, value in settings.items():
        *sections, name = key.split(".")
        setattr(reduce(getattr, sections, config), name, value)
    return {key for key, counts in COUNTS_WHERE.items() if not counts(config)}


def run_folder(config: RunConfig, key: str) -> Path:
    """Return where the results of a run go."""
    module = UNTOUCHED if is_untouched(config) else config.module
    return Path(config.output_root) / config.task.name / config.model.name / module / key


def _first_facts(
    config: RunConfig,
    settings: Mapping[str, Any],
    data_fingerprint: str,
    model_identity: str,
    cells: Sequence[Cell],
) -> dict[str, Any]:
    """Return what the first version hashed, in its form. Nothing may be added here.

    A later setting enters the key by itself, off its default; see docs/run-keys.md.
    """
    task = config.task
    family = {
        part: settings[f"model.family.{part}"]
        for part in ("layers", "attn", "mlp", "cross_attn", "encoder_layers")
        if settings[f"model.family.{part}"]
    }
    more = [fact for fact in (family, config.model.language_token) if fact]
    prompt = ("style", "instruction_language", "shots")
    facts = {
        "model": [model_identity, config.model.dtype, *more],
        "task": [task.name, task.loader, task.pivot, task.keys, data_fingerprint],
        "direction": config.direction or task.direction,
        "split": config.split or task.splits[0],
        "sample": [task.sample_size, task.sample_seed, task.sample_by],
        "lost_markers": task.lost_markers,
        "prompt": {name: settings[f"prompt.{name}"] for name in prompt},
        "module": settings["module"],
        "cells": sorted({(cell.source_layer, cell.target_layer) for cell in cells}),
        "decode": {"max_new_tokens": config.decode.max_new_tokens},
        "control": config.control,
        "seed": settings["seed"],
        "limit": config.limit,
    }
    if config.control == "shuffled_language":  # it draws from these
        facts["languages"] = sorted(task.languages)
    return facts


def _settings(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting with its dotted key."""
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            yield from _settings(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value
