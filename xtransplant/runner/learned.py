"""Vectors that a run learns from the selection split: what they are made of, and their file.

They are made once, under a lease, by the process that needs them first. Every shard, continued run
and process of a tensor-parallel model reads that file.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

from xtransplant.config.schema import RunConfig
from xtransplant.config.untouched import is_untouched
from xtransplant.engine.learned_vectors import sum_by_cluster
from xtransplant.engine.options import Tokens
from xtransplant.errors import DataError
from xtransplant.models.families import Model
from xtransplant.models.parallel import from_first, is_first
from xtransplant.runner.stopping import require_none
from xtransplant.store.cluster_sums import ClusterSums, read_sums, write_sums
from xtransplant.store.leases import Lease, Leases
from xtransplant.tasks.controls import CONTROLS
from xtransplant.tasks.load import load_data
from xtransplant.tasks.splits import selection_split
from xtransplant.types import Instance, ModuleType, PromptPair

Encode = Callable[[str, Sequence[Instance]], Sequence[PromptPair]]
"""From a language and its instances to their prompts."""

FOLDER = ".vectors"
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Lesson:
    """What the vectors of a language are made of.

    Attributes:
        ids: of the questions, sorted.
        clusters: cluster of each question, or its id where it stands alone.
        prompts: for each the prompt whose activations count, and the one whose activations are
            taken away; None for no such prompt.
        digest: of the prompts, the clusters, and what reads them.
    """

    ids: tuple[str, ...]
    clusters: tuple[str, ...]
    prompts: tuple[tuple[Tokens, Tokens | None], ...]
    digest: str


@dataclass(frozen=True)
class Learned:
    """What the vectors of a run are learned from.

    Attributes:
        split: the selection split.
        fingerprint: digest of its data.
        lessons: by language.
    """

    split: str
    fingerprint: str
    lessons: Mapping[str, Lesson]

    @property
    def facts(self) -> tuple[str, str]:
        """What of it enters the run key, in which languages do not count."""
        return self.split, self.fingerprint


def learned_from(
    config: RunConfig,
    instances: Mapping[str, Sequence[Instance]],
    encode: Encode,
    model_identity: str,
) -> Learned | None:
    """Return what the vectors of a run are learned from, None if it learns none.

    Neither limit nor shards shorten it.

    Args:
        config: a run.
        instances: of the run, each of which leaves its own cluster out.
        encode: makes prompts of instances.
        model_identity: as for `config.run_key.run_key`.

    Raises:
        DataError: data that is missing or malformed, or of one cluster only.
        PromptError: a prompt that is longer than the model's context.
    """
    is_mean = CONTROLS[config.control].mean
    differences = config.intervention.vector == "difference"
    if is_untouched(config) or not (is_mean or differences):
        return None
    model, split = config.model, selection_split(config.task.splits)
    reader = {
        **{"model": model_identity, "dtype": model.dtype, "module": config.module},
        **{"family": asdict(model.family), "language_token": model.language_token},
    }
    # Other controls than the mean change the sources whose differences are taken.
    control = "none" if is_mean else config.control
    data = load_data(replace(config, split=split, limit=None, control=control))
    lessons = {
        language: lesson(some, encode(language, some), reader, differences=differences)
        for language, some in data.instances.items()
    }
    learned = Learned(split, data.fingerprint, lessons)
    _require_other_clusters(learned, instances)
    return learned


def lesson(
    instances: Sequence[Instance],
    prompts: Sequence[PromptPair],
    reader: Mapping[str, object],
    *,
    differences: bool,
) -> Lesson:
    """Return what the vectors of a language are made of.

    Args:
        instances: of the selection split in that language.
        prompts: of each.
        reader: what decides which activations are read: model, dtype, module.
        differences: whether the target prompts' activations are taken away from the sources'.
    """
    ordered = sorted(zip(instances, prompts, strict=True), key=lambda pair: pair[0].id)
    ids = tuple(one.id for one, _ in ordered)
    clusters = tuple(cluster_of(one) for one, _ in ordered)
    read = tuple(
        (pair.source.token_ids, pair.target.token_ids if differences else None)
        for _, pair in ordered
    )
    facts = json.dumps([dict(reader), clusters, read], sort_keys=True, ensure_ascii=False)
    return Lesson(ids, clusters, read, hashlib.sha256(facts.encode()).hexdigest()[:16])


def cluster_of(instance: Instance) -> str:
    """Return the cluster of an instance, or its id where it stands alone."""
    return instance.cluster or instance.id


def _require_other_clusters(learned: Learned, instances: Mapping[str, Sequence[Instance]]) -> None:
    """Check that each instance can leave its own cluster out.

    Raises:
        DataError: the selection split has no other cluster.
    """
    for one in chain.from_iterable(instances.values()):
        if not {*learned.lessons[one.language].clusters} - {cluster_of(one)}:
            raise DataError(
                f"split {learned.split!r} has no question of another cluster than instance "
                f"{one.id} ({one.language}), from which its vector could be made"
            )


def learned_sums(
    root: Path, learned: Lesson, model: Model, module: ModuleType, say: Callable[[str], None]
) -> ClusterSums:
    """Read the sums of a lesson, or make and write them; another process that does is waited for.

    Args:
        root: the run's `output_root`.
        learned: what they are made of.
        model: loaded model.
        module: module whose activations are read.
        say: function that shows one line.

    Raises:
        OutputError: the folder cannot be written.
        NumericsError: an activation is NaN or infinite.
    """
    path = root / FOLDER / f"{learned.digest}.safetensors"
    leases = Leases(path.parent / ".leases")
    while True:
        require_none()
        lease = leases.take(learned.digest) if is_first() and not read_sums(path)[0] else None
        with lease or nullcontext():
            # Read under the lease: another process may have written them just before.
            found, fault = from_first(read_sums(path) if is_first() else (None, None))
            if found is not None:
                return found
            if from_first(lease is not None):
                if fault and is_first():
                    say(f"{path} {fault}; it is made again")
                return _made(path, learned, model, module, lease)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _made(
    path: Path, learned: Lesson, model: Model, module: ModuleType, lease: Lease | None
) -> ClusterSums:
    """Make the sums, in all processes of a tensor-parallel model; the first writes them."""
    made = sum_by_cluster(model, module, learned.prompts, learned.clusters, learned.ids)
    if lease is not None:
        write_sums(path, made)
    return from_first(made)
