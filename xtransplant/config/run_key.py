"""The run key: a hash of what changes results, and the folder that it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xtransplant.config.schema import (
    PromptConfig,
    RunConfig,
)
from xtransplant.types import Cell

if TYPE_CHECKING:
    pass


def run_key(
    config: RunConfig,
    *,
    data_fingerprint: str,
    model_identity: str,
    cells: Sequence[Cell],
) -> str:
    """Hash what changes results, and nothing else, to 12 hexadecimal characters.

    Languages are part of file names instead; batch size, device, shard and paths change nothing.
    Nor do scorers: they only read the texts, and the parts carry which one did.

    Args:
        config: a run.
        data_fingerprint: digest of the data's content, of templates and of translations.
        model_identity: id and revision, or digest of the content; never a path.
        cells: the grid, resolved; its order and its name do not count.
    """
    task = config.task
    family = {kind: path for kind, path in asdict(config.model.family).items() if path}
    more = [fact for fact in (family, config.model.language_token) if fact]
    prompt = config.prompt
    if prompt.style != "few_shot":
        prompt = replace(prompt, shots=PromptConfig.shots)
    facts = {
        "model": [model_identity, config.model.dtype, *more],
        "task": [task.name, task.loader, task.pivot, task.keys, data_fingerprint],
        "direction": config.direction or task.direction,
        "split": config.split or task.splits[0],
        "sample": [task.sample_size, task.sample_seed, task.sample_by],
        "lost_markers": task.lost_markers,
        "prompt": asdict(prompt),
        "module": config.module,
        "cells": sorted({(cell.source_layer, cell.target_layer) for cell in cells}),
        "decode": asdict(config.decode),
        "control": config.control,
        "seed": config.seed,
        "limit": config.limit,
    }
    if config.control == "shuffled_language":  # it draws from these
        facts["languages"] = sorted(task.languages)
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def run_folder(config: RunConfig, key: str) -> Path:
    """Return where the results of a run go."""
    return Path(config.output_root) / config.task.name / config.model.name / config.module / key


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Return a configuration as plain dicts, lists and scalars."""
    return asdict(config)
