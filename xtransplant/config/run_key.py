"""The run key: a hash of everything that changes results. It names the run's folder.

docs/run-keys.md explains how keys stay the same from one version to the next.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from xtransplant.config.schema import InterventionConfig, RunConfig
from xtransplant.config.untouched import SAMPLES, UNTOUCHED, is_untouched
from xtransplant.types import Cell

DRAWING_CONTROLS = ("random_instance", "noise", "displacement", "shuffled_language", SAMPLES)
"""Controls that draw, so that the seed changes their results."""
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
"""Settings that the first version hashed, in the form that `_first_facts` returns."""

DATA = "the data's fingerprint covers the texts that were read"
MODEL = "the model's identity covers the weights that were read"
CELLS = "the cells themselves are hashed"
TOLD = "it is only displayed"
WORK = "it sets where and how the work is done, which does not change results"

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
    "task.scorer": "scorers only read texts, and the parts name the scorer",
    "languages": "the parts are files by language",
}
"""Settings that are not in the key, with the reason."""

INTERVENTION = tuple(f"intervention.{field.name}" for field in fields(InterventionConfig))

COUNTS_WHERE: Mapping[str, Callable[[RunConfig], bool]] = {
    "seed": lambda config: config.control in DRAWING_CONTROLS,
    "module": lambda config: not is_untouched(config),
    "decode.temperature": lambda config: config.control == SAMPLES,
    **dict.fromkeys(INTERVENTION, lambda config: not is_untouched(config)),
    "prompt.shots": lambda config: config.prompt.style == "few_shot",
}
"""Settings that change results only in some runs; in all others their defaults are hashed."""


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
        config: configuration of the run.
        data_fingerprint: digest of the data's content, of templates and of translations.
        model_identity: id and revision of the model, or digest of its content; never a path.
        cells: resolved cells of the grid; their order does not matter.
        fixes: names of bug fixes since the first version that changed the prompts or draws of this
            run. They give it a new key, so that it is computed again.
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
    """Return the dotted keys of the settings that have no effect in a run with these settings."""
    config = RunConfig()
    for key, value in settings.items():
        *sections, name = key.split(".")
        setattr(reduce(getattr, sections, config), name, value)
    return {key for key, counts in COUNTS_WHERE.items() if not counts(config)}


def run_folder(config: RunConfig, key: str) -> Path:
    """Return the folder for the results of a run."""
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

    `run_key` adds later settings if they are off their defaults; see docs/run-keys.md.
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
    if config.control == "shuffled_language":  # it draws from the languages
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
