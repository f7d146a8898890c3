"""From a configuration to the work it stands for: instances, prompts, cells, parts, key and folder.

Loads data, a tokenizer and a model's configuration; never weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from xtransplant.config.grid_file import run_cells
from xtransplant.config.run_key import run_folder, run_key
from xtransplant.config.schema import ModelConfig, RunConfig
from xtransplant.models.adapter import adapter_identity
from xtransplant.models.architecture import n_layers
from xtransplant.models.families import context_length
from xtransplant.models.loading import identity, load_config, load_tokenizer
from xtransplant.progress import OnStep, silent
from xtransplant.prompts.tokenise import encode_options, encode_pair, require_room
from xtransplant.scoring.scorers import Scorer, chosen, require_fit
from xtransplant.tasks.load import Data, load_data
from xtransplant.types import Cell, Instance, ModuleType, Part

INSTANCES_PER_PART = 10
"""At least; a part is what a killed run loses at most."""
ROWS_PER_PART = 200
"""At least, so that instances with few cells share batches. Not of the machine: parts are files."""


@dataclass(frozen=True)
class Plan:
    """Everything a run will do.

    Attributes:
        cells: the grid, resolved for the model's layers.
        parts: all parts of the run, language by language; a shard does some of them.
        key: hash of what changes results.
        folder: where the results go.
        model_config: the checkpoint's configuration.
        data: where the instances come from, for the manifest.
    """

    cells: tuple[Cell, ...]
    parts: tuple[Part, ...]
    key: str
    folder: Path
    model_config: Any
    data: Mapping[str, Any]

    def shard(self, index: int, count: int) -> tuple[Part, ...]:
        """Return the parts that one of `count` processes does."""
        return self.parts[index::count]

    @property
    def n_parts(self) -> dict[str, int]:
        """Parts by language."""
        return dict(Counter(part.language for part in self.parts))

    @property
    def n_instances(self) -> dict[str, int]:
        """Instances by language."""
        counts: Counter[str] = Counter()
        for part in self.parts:
            counts[part.language] += len(part.instances)
        return dict(counts)


def make_plan(config: RunConfig, on_step: OnStep = silent) -> Plan:
    """Resolve a configuration; every mistake that shows without weights is raised here."""
    checkpoint = checkpoint_arguments(config.model)
    model_config = load_config(**checkpoint, on_step=on_step)
    text_config = model_config.get_text_config()
    cells = run_cells(config.grid, n_layers(model_config, ModuleType(config.module)))
    scorers = chosen(config.task.scorer)
    data = load_data(config)
    require_fit(scorers, chain.from_iterable(data.instances.values()))
    tokenizer = load_tokenizer(**checkpoint, on_step=on_step)
    key = run_key(
        config,
        data_fingerprint=data.fingerprint,
        model_identity=_identity(config.model, on_step),
        cells=cells,
    )
    return Plan(
        cells=tuple(cells),
        parts=tuple(
            _parts(
                config,
                data.instances,
                tokenizer,
                context_length(text_config),
                new_tokens=0 if model_config.is_encoder_decoder else config.decode.max_new_tokens,
                keep_end=model_config.is_encoder_decoder,
                n_instances=max(INSTANCES_PER_PART, ROWS_PER_PART // (len(cells) + 1)),
            )
        ),
        key=key,
        folder=run_folder(config, key),
        model_config=model_config,
        data={
            "read": data.source,
            "licence": config.task.licence,
            "machine_translated": any(
                each.machine_translated for loaded in data.instances.values() for each in loaded
            ),
            "lost_markers": data.lost_markers,
            "lacking": data.lacking,
            "unread_aliases": [] if _reads_aliases(scorers, data) else [s.name for s in scorers],
        },
    )


def data_remarks(data: Mapping[str, Any]) -> list[str]:
    """Return what a user must know of a plan's data before a run, a line each."""
    remarks = []
    if data["licence"]:
        remarks.append(f"data: {data['licence']}")
    if data["machine_translated"]:
        remarks.append("data: prompts are machine-translated")
    if lost := {language: len(ids) for language, ids in data["lost_markers"].items()}:
        counts = ", ".join(f"{language} {n}" for language, n in lost.items())
        remarks.append(f"data: prompts that lost option markers: {counts} (ids in the manifest)")
    if lacking := data["lacking"]:
        counts = ", ".join(f"{language} {n:,}" for language, n in lacking.items())
        remarks.append(f"data: questions without a counterpart, left out: {counts}")
    if scorers := data["unread_aliases"]:
        remarks.append(
            f"data: further right answers (aliases) do not count for {', '.join(scorers)}, but for "
            "exact_match, f1 and contains_any: task.scorer=…"
        )
    return remarks


def _reads_aliases(scorers: Sequence[Scorer], data: Data) -> bool:
    """Return whether further right answers count for a scorer, or there are none."""
    instances = chain.from_iterable(data.instances.values())
    return any(scorer.reads_aliases for scorer in scorers) or not any(
        instance.aliases for instance in instances
    )


def weights_arguments(config: RunConfig) -> dict[str, Any]:
    """Return the arguments by which `models.loading.load_model` loads a run's weights."""
    return load_arguments(config.model) | {
        "device": config.device,
        "device_map": config.device_map,
    }


def load_arguments(model: ModelConfig) -> dict[str, Any]:
    """Return the arguments by which `models.loading.load_model` loads a checkpoint."""
    return checkpoint_arguments(model) | {
        "dtype": model.dtype,
        "allow_pickle": model.allow_pickle,
        "family": asdict(model.family),
        "adapter": model.adapter,
        "adapter_revision": model.adapter_revision,
        "language_token": model.language_token,
    }


def checkpoint_arguments(model: ModelConfig) -> dict[str, Any]:
    """Return the arguments by which `models.loading` finds a checkpoint."""
    return {
        "id": model.id,
        "revision": model.revision,
        "distribution": model.distribution,
        "trust_remote_code": model.trust_remote_code,
    }


def _identity(model: ModelConfig, on_step: OnStep) -> str:
    """Return what tells the checkpoint from others, with its adapter."""
    found = identity(**checkpoint_arguments(model), on_step=on_step)
    if model.adapter is None:
        return found
    return f"{found} + {adapter_identity(model.adapter, model.adapter_revision, on_step)}"


def _parts(
    config: RunConfig,
    instances: Mapping[str, Sequence[Instance]],
    tokenizer: Any,
    context_length: int,
    new_tokens: int,
    n_instances: int,
    *,
    keep_end: bool,
) -> list[Part]:
    """Split each language's instances into parts of `n_instances`."""
    parts = []
    chat = config.prompt.style == "chat"
    for language, loaded in instances.items():
        prompts = [
            encode_pair(tokenizer, instance, chat=chat, keep_end=keep_end) for instance in loaded
        ]
        for instance, pair in zip(loaded, prompts, strict=True):
            where = f"prompt of instance {instance.id} ({language})"
            require_room(pair.source, 0, context_length, f"source {where}")
            room = context_length - len(pair.target.token_ids)
            # A marker has at most a token for each byte and one before: few need be encoded here.
            markers = [option.marker for option in instance.options if new_tokens]
            long = [marker for marker in markers if len(marker.encode()) + 1 > room]
            options = encode_options(tokenizer, pair.target, long)
            answer = max([new_tokens, *map(len, options)])
            require_room(pair.target, answer, context_length, f"target {where}")
        whole = config.task.sample_by == "cluster"
        for block, chunk in enumerate(_chunks(loaded, n_instances, whole_clusters=whole)):
            parts.append(Part(language, block, tuple(loaded[chunk]), tuple(prompts[chunk])))
    return parts


def _chunks(
    instances: Sequence[Instance], n_instances: int, *, whole_clusters: bool
) -> Iterator[slice]:
    """Cut instances after every `n_instances`, or where the cluster of the last one ends."""
    start = 0
    while start < len(instances):
        stop = min(start + n_instances, len(instances))
        while whole_clusters and stop < len(instances) and _same_cluster(instances, stop):
            stop += 1
        yield slice(start, stop)
        start = stop


def _same_cluster(instances: Sequence[Instance], place: int) -> bool:
    last, here = instances[place - 1].cluster, instances[place].cluster
    return bool(here) and here == last
