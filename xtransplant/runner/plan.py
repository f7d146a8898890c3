"""The plan of a run: its instances, prompts, cells, parts, key and folder.

Making a plan loads data, a tokenizer and a model's configuration, but no weights.
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
from xtransplant.config.untouched import is_untouched
from xtransplant.models.adapter import adapter_identity, own_tokenizer
from xtransplant.models.architecture import n_layers
from xtransplant.models.loading import identity, load_config, load_tokenizer
from xtransplant.progress import OnStep, silent
from xtransplant.prompts.corrections import corrections
from xtransplant.prompts.styles import STYLES
from xtransplant.runner.learned import Learned, learned_from
from xtransplant.runner.prompt_pairs import prompt_pairs
from xtransplant.scoring.judging import require_fit
from xtransplant.scoring.registry import find_scorers, names_that_read_aliases
from xtransplant.scoring.scorer import Scorer
from xtransplant.tasks.load import Data, load_data
from xtransplant.tasks.splits import UNITS
from xtransplant.types import Cell, Instance, ModuleType, Part, PromptPair

INSTANCES_PER_PART = 10
"""Minimum number of instances of a part; a killed run loses at most the part it was computing."""
ROWS_PER_PART = 200
"""Minimum number of rows of a part, so that instances with few cells share batches. It is the same
on every machine, because several machines may share a run."""


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do.

    Attributes:
        config: configuration of the run.
        cells: cells of the grid, resolved for the model's layers.
        parts: all parts of the run, language by language; a shard does some of them.
        key: run key.
        folder: folder of the results.
        model_config: configuration of the checkpoint.
        data: origin, licence and gaps of the data, for the manifest.
        learned: what the run's vectors are learned from; None if they are not.
    """

    config: RunConfig
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...]
    key: str
    folder: Path
    model_config: Any
    data: Mapping[str, Any]
    learned: Learned | None

    def shard(self, index: int, count: int) -> tuple[Part, ...]:
        """Return the parts that process `index` of `count` processes does."""
        return self.parts[index::count]

    @property
    def costed_cells(self) -> tuple[Cell, ...]:
        """The cells as their cost is estimated: a try of `samples` computes every layer."""
        return (Cell(0, 0),) * len(self.cells) if is_untouched(self.config) else self.cells

    def token_counts(self, pairs: Sequence[PromptPair]) -> list[tuple[int, int]]:
        """Return the number of tokens of each source and target prompt; 0 for a source not read."""
        reads = not (is_untouched(self.config) or self.learned)
        return [(reads * len(pair.source.token_ids), len(pair.target.token_ids)) for pair in pairs]

    @property
    def n_parts(self) -> dict[str, int]:
        """Number of parts by language."""
        return dict(Counter(part.language for part in self.parts))

    @property
    def n_instances(self) -> dict[str, int]:
        """Number of instances by language."""
        counts: Counter[str] = Counter()
        for part in self.parts:
            counts[part.language] += len(part.instances)
        return dict(counts)


def make_plan(config: RunConfig, on_step: OnStep = silent) -> Plan:
    """Make the plan of a run; raise every error that can be found without the weights."""
    checkpoint = checkpoint_arguments(config.model)
    model_config = load_config(**checkpoint, on_step=on_step)
    cells = run_cells(config.grid, n_layers(model_config, ModuleType(config.module)))
    scorers = find_scorers(config.task.scorer)
    data = load_data(config)
    require_fit(scorers, chain.from_iterable(data.instances.values()))
    own = own_tokenizer(config.model.adapter, config.model.adapter_revision, on_step)
    tokenizer = load_tokenizer(**checkpoint, own=own, on_step=on_step)

    def encode(language: str, instances: Sequence[Instance]) -> list[PromptPair]:
        return prompt_pairs(config, language, instances, tokenizer, model_config)

    prompts = {language: encode(language, some) for language, some in data.instances.items()}
    model_identity = _identity(config.model, on_step)
    learned = learned_from(config, data.instances, encode, model_identity)
    pairs = zip(
        chain.from_iterable(data.instances.values()),
        chain.from_iterable(prompts.values()),
        strict=True,
    )
    keep_end = model_config.is_encoder_decoder
    key = run_key(
        config,
        data_fingerprint=data.fingerprint,
        model_identity=model_identity,
        cells=cells,
        learned=learned.facts if learned else None,
        fixes={
            *data.fixes,
            *(["adapter_tokenizer"] if own else []),  # earlier versions ignored it
            *corrections(tokenizer, pairs, STYLES[config.prompt.style], keep_end=keep_end),
        },
    )
    return Plan(
        config=config,
        cells=tuple(cells),
        parts=tuple(_parts(config, data.instances, prompts, len(cells))),
        key=key,
        folder=run_folder(config, key),
        model_config=model_config,
        data=_about_data(config, data, scorers, learned),
        learned=learned,
    )


def data_remarks(data: Mapping[str, Any]) -> list[str]:
    """Return remarks for the user on a plan's data, one line each."""
    remarks = []
    if data["licence"]:
        remarks.append(f"data: {data['licence']}")
    if data["machine_translated"]:
        remarks.append("data: prompts are machine-translated")
    if counts := _by_language({code: len(ids) for code, ids in data["lost_markers"].items()}):
        remarks.append(f"data: prompts that lost option markers: {counts} (ids in the manifest)")
    if counts := _by_language(data["lacking"]):
        remarks.append(f"data: questions without a counterpart, left out: {counts}")
    if counts := _by_language(data["ends_in_space"]):
        remarks.append(
            f"data: prompts that end in a space: {counts}; most tokenizers join a space with the "
            "word after it, so first tokens and option log-probabilities belong to unusual texts; "
            "remove the space"
        )
    if scorers := data["unread_aliases"]:
        remarks.append(
            f"data: aliases (other right answers) do not count for {', '.join(scorers)}; they do "
            f"for {', '.join(names_that_read_aliases())}: task.scorer=…"
        )
    return remarks


def _by_language(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{language} {n:,}" for language, n in counts.items())


def _end_in_space(config: RunConfig, data: Data) -> dict[str, int]:
    """Return the number of instances by language with a prompt that ends in a space.

    Line breaks do not count, because a word begins after them. Chats do not count, because the
    template adds text after the prompt.
    """
    if STYLES[config.prompt.style].chat:
        return {}
    spaced = {
        language: sum(any(map(_ends_in_space, (one.source, one.target))) for one in instances)
        for language, instances in data.instances.items()
    }
    return {language: n for language, n in spaced.items() if n}


def _ends_in_space(prompt: str) -> bool:
    return prompt[-1:].isspace() and prompt[-1] not in "\r\n"


def _about_data(
    config: RunConfig, data: Data, scorers: Sequence[Scorer], learned: Learned | None
) -> dict[str, Any]:
    made_of = {language: one.digest for language, one in learned.lessons.items()} if learned else {}
    instances = chain.from_iterable(data.instances.values())
    return {
        "read": data.source,
        "licence": config.task.licence,
        "machine_translated": any(instance.machine_translated for instance in instances),
        "lost_markers": data.lost_markers,
        "lacking": data.lacking,
        "ends_in_space": _end_in_space(config, data),
        **({"vectors": made_of} if made_of else {}),
        "unread_aliases": [] if _reads_aliases(scorers, data) else [s.name for s in scorers],
    }


def _reads_aliases(scorers: Sequence[Scorer], data: Data) -> bool:
    """Return whether any scorer counts aliases, or the data have none."""
    instances = chain.from_iterable(data.instances.values())
    return any(scorer.reads_aliases for scorer in scorers) or not any(
        instance.aliases for instance in instances
    )


def weights_arguments(config: RunConfig) -> dict[str, Any]:
    """Return the arguments of `load_model` for a run's weights."""
    return load_arguments(config.model) | {
        "device": config.device,
        "device_map": config.device_map,
    }


def load_arguments(model: ModelConfig) -> dict[str, Any]:
    """Return the arguments of `load_model` for a checkpoint."""
    return checkpoint_arguments(model) | {
        "dtype": model.dtype,
        "allow_pickle": model.allow_pickle,
        "family": asdict(model.family),
        "adapter": model.adapter,
        "adapter_revision": model.adapter_revision,
        "language_token": model.language_token,
    }


def checkpoint_arguments(model: ModelConfig) -> dict[str, Any]:
    """Return the arguments with which functions of `models.loading` find a checkpoint."""
    return {
        "id": model.id,
        "revision": model.revision,
        "distribution": model.distribution,
        "trust_remote_code": model.trust_remote_code,
    }


def _identity(model: ModelConfig, on_step: OnStep) -> str:
    """Return the identity of the checkpoint and its adapter."""
    found = identity(**checkpoint_arguments(model), on_step=on_step)
    if model.adapter is None:
        return found
    return f"{found} + {adapter_identity(model.adapter, model.adapter_revision, on_step)}"


def _parts(
    config: RunConfig,
    instances: Mapping[str, Sequence[Instance]],
    prompts: Mapping[str, Sequence[PromptPair]],
    n_cells: int,
) -> Iterator[Part]:
    """Split each language's instances into parts."""
    n_instances = max(INSTANCES_PER_PART, ROWS_PER_PART // (n_cells + 1))
    whole = UNITS[config.task.sample_by].whole_clusters
    for language, some in instances.items():
        for block, chunk in enumerate(_chunks(some, n_instances, whole_clusters=whole)):
            yield Part(language, block, tuple(some[chunk]), tuple(prompts[language][chunk]))


def _chunks(
    instances: Sequence[Instance], n_instances: int, *, whole_clusters: bool
) -> Iterator[slice]:
    """Cut after every `n_instances`, or, with `whole_clusters`, at the end of the last cluster."""
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
