"""The dry run, which shows the work and cost of a run without loading weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from xtransplant.analysis.power import minimum_detectable_gain
from xtransplant.config.intervention import Intervention
from xtransplant.config.schema import RunConfig
from xtransplant.config.untouched import UNTOUCHED, is_untouched
from xtransplant.engine.flops import grid_flops, model_size
from xtransplant.engine.memory_budget import kv_bytes, rows_that_fit
from xtransplant.engine.profiling import matmul_rate
from xtransplant.engine.rows import WRITES_AGAIN
from xtransplant.models.architecture import n_layers
from xtransplant.models.dtypes import TORCH_DTYPES
from xtransplant.models.loading import choose_device
from xtransplant.progress import duration
from xtransplant.runner.claims import missing_parts
from xtransplant.runner.plan import Plan, make_plan
from xtransplant.store.run_folder import RunFolder
from xtransplant.terminal import Console
from xtransplant.types import ModuleType, Part, Prompt

LOSSES = (0.02, 0.1)
"""Shares of instances that a cell may lose, for which the smallest gain is shown."""


def show(config: RunConfig, console: Console) -> None:
    """Show the plan, its cost, and the first prompt pair of each language."""
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
    console.plan_table([*_work(plan), *_cost(plan)])
    for part in _first_parts(plan.parts):
        console.write("")
        pair = part.prompts[0]
        console.plan_table(
            [
                (f"{part.language}, {part.instances[0].id}", ""),
                ("source prompt", pair.source.text or ""),
                ("first and last ids", _ends(pair.source)),
                ("target prompt", pair.target.text or ""),
                ("first and last ids", _ends(pair.target)),
            ]
        )


def _work(plan: Plan) -> list[tuple[str, str]]:
    config = plan.config
    counts = plan.n_instances
    instances = sum(counts.values())
    mine = plan.shard(config.shard.index, config.shard.count)
    done = len(mine) - len(missing_parts(RunFolder(plan.folder, plan.key), mine))
    shard = f" (shard {config.shard.index} of {config.shard.count})" * (config.shard.count > 1)
    return [
        ("model", f"{config.model.name} ({config.model.id}), {config.model.dtype}"),
        ("task", f"{config.task.name}, split {config.split}, {config.direction}"),
        ("module", UNTOUCHED if is_untouched(config) else config.module),
        ("intervention", str(Intervention(**asdict(config.intervention)))),
        *_vectors(plan),
        ("instances", ", ".join(f"{language} {n}" for language, n in counts.items())),
        (
            "cells",
            f"{len(plan.cells):,} of {_n_layers(plan)}²",
        ),
        ("detectable gain", _detectable(plan.parts)),
        ("rows", f"{instances * (len(plan.cells) + 1):,}, baselines included"),
        ("output folder", str(plan.folder)),
        ("parts done", f"{done} of {len(mine)}{shard}"),
    ]


def _vectors(plan: Plan) -> list[tuple[str, str]]:
    """Return what the run's vectors are learned from; nothing if they are not."""
    if plan.learned is None:
        return []
    counts = ", ".join(f"{code} {len(one.ids)}" for code, one in plan.learned.lessons.items())
    return [("vectors", f"means over split {plan.learned.split}: {counts}")]


def _cost(plan: Plan) -> list[tuple[str, str]]:
    config = plan.config
    text_config = plan.model_config.get_text_config()
    dtype, device = TORCH_DTYPES[config.model.dtype], choose_device(config.device)
    size = model_size(plan.model_config)
    new_tokens = config.decode.max_new_tokens
    pairs = [pair for part in plan.parts for pair in part.prompts]
    lengths = plan.token_counts(pairs)
    flops = sum(
        grid_flops(
            *(size, _n_layers(plan), plan.costed_cells, source, target, new_tokens),
            writes_again=WRITES_AGAIN[config.intervention.steps],
        )
        for source, target in lengths
    )
    rows = min(
        config.rows_per_batch
        or rows_that_fit(
            text_config, dtype, device, n_tokens=new_tokens, by_block=device.type == "cpu"
        ),
        len(plan.cells) + 1,
    )
    longest = max(target for _, target in lengths)
    kv = kv_bytes(text_config, dtype.itemsize) * (longest + rows * new_tokens // 2)
    sources, targets = (sum(side) for side in zip(*lengths, strict=True))
    seconds = flops / matmul_rate(dtype, device)
    return [
        ("prompt tokens", f"{sources:,} source, {targets:,} target"),
        ("new tokens", f"{len(pairs) * (len(plan.cells) + 1) * new_tokens:,} at most"),
        ("FLOPs", f"{flops:.2e}"),
        ("KV memory", f"{kv / 2**20:.0f} MiB at {rows:,} rows per batch"),
        ("time", f"{duration(seconds)} or more, at this {device.type}'s matmul rate"),
    ]


def _detectable(parts: Iterable[Part]) -> str:
    """Return the smallest gain that the paired test finds in 80 % of such samples, by language.

    A cluster counts as one instance: how much its instances agree is not known yet.
    """
    clusters: dict[str, set[str]] = {}
    for part in parts:
        its = clusters.setdefault(part.language, set())
        its |= {instance.cluster or instance.id for instance in part.instances}
    languages: dict[int, list[str]] = {}
    for language, found in clusters.items():
        languages.setdefault(len(found), []).append(language)
    return "; ".join(
        f"{', '.join(names)} (n = {n:,}) {_smallest(n)}" for n, names in languages.items()
    )


def _smallest(n: int) -> str:
    found = [(loss, minimum_detectable_gain(n, loss)) for loss in LOSSES]
    return ", ".join(
        f"{'none' if gain is None else f'{100 * gain:g} points'} if {100 * loss:g} % are lost"
        for loss, gain in found
    )


def _n_layers(plan: Plan) -> int:
    return n_layers(plan.model_config, ModuleType(plan.config.module))


def _first_parts(parts: Iterable[Part]) -> list[Part]:
    return [part for part in parts if part.block == 0]


def _ends(prompt: Prompt) -> str:
    ids = prompt.token_ids
    return f"{' '.join(map(str, ids[:4]))} … {' '.join(map(str, ids[-4:]))} ({len(ids)} tokens)"
