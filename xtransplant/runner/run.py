"""The run, readable on one screen: plan, load, transplant, score, write, sum up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import cast

from xtransplant.config.schema import RunConfig
from xtransplant.engine.failures import machine_failures
from xtransplant.engine.load_model import load_model
from xtransplant.engine.memory_budget import rows_together
from xtransplant.engine.model_cache import state_bytes
from xtransplant.engine.profiling import device_name, measured
from xtransplant.engine.request import Request
from xtransplant.engine.run_cost import cost_record
from xtransplant.engine.transplant import TransplantGrid, transplant_all
from xtransplant.models.families import Model
from xtransplant.models.parallel import from_first, is_first
from xtransplant.progress import RunProgress
from xtransplant.prompts.tokenise import encode_options
from xtransplant.runner.claims import claimed, missing_parts
from xtransplant.runner.inputs import inputs_of
from xtransplant.runner.plan import Plan, data_remarks, make_plan, weights_arguments
from xtransplant.runner.results import show_results
from xtransplant.runner.stopping import require_none
from xtransplant.runner.views import aggregate_run
from xtransplant.scoring.scorers import Scorer, chosen, judge
from xtransplant.store.columns import Row
from xtransplant.store.leases import Lease
from xtransplant.store.part_file import part_name
from xtransplant.store.receipts import Receipt, states, write_receipt
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import require_verdicts, write_judged_part
from xtransplant.tasks.controls import noise_seed
from xtransplant.terminal import Console
from xtransplant.types import Instance, ModuleType, Part, PromptPair, Reply

SECONDS_FOR_VIEWS = 600.0
"""Another process that makes the two views is waited for, then they are made with our parts."""


def run(config: RunConfig, console: Console) -> None:
    """Run every cell of the grid on every instance; parts that an earlier run finished are kept."""
    paths = inputs_of(config)
    read = None if paths is None else states(paths)  # before anything is read
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
    scorers = chosen(config.task.scorer)
    if not is_first():  # it holds a part of the model, and computes with the one that writes
        _do_parts(config, plan, None, _heard(), sum(plan.n_instances.values()), console)
        return
    folder = RunFolder(plan.folder, plan.key)
    require_verdicts(folder, [scorer.label for scorer in scorers])
    folder.open_or_create(asdict(config), plan.n_parts)
    for remark in data_remarks(plan.data):
        console.info(remark)
    with folder.running():
        folder.update_manifest(data=plan.data)
        parts = plan.shard(config.shard.index, config.shard.count)
        missing = missing_parts(folder, parts)
        if len(missing) < len(parts):
            console.info(f"{len(parts) - len(missing)} of {len(parts)} parts are done already")
        n_instances = sum(len(part.instances) for part in missing)
        with closing(claimed(folder, missing, console.info)) as claims:
            _do_parts(config, plan, folder, _announced(claims), n_instances, console)
        receipt = _sum_up(plan, folder, console)
        if receipt and read:
            write_receipt(config, receipt, read, _files(plan, folder))


def _announced(claims: Iterator[tuple[Part, Lease]]) -> Iterator[tuple[Part, Lease | None]]:
    """Yield the claimed parts; processes that hold a model together do each at the same time."""
    for part, lease in claims:
        from_first(part)
        yield part, lease
    from_first(None)


def _heard() -> Iterator[tuple[Part, Lease | None]]:
    """Yield, in a process that holds a part of the model, what the first one has announced."""
    while part := from_first(cast("Part | None", None)):
        yield part, None


def _do_parts(
    config: RunConfig,
    plan: Plan,
    folder: RunFolder | None,
    parts: Iterator[tuple[Part, Lease | None]],
    n_instances: int,
    console: Console,
) -> None:
    """Do parts, and write them where there is a folder.

    The model is loaded once there is a part, which other processes then let be.
    """
    first = next(parts, None)
    if first is None:
        return
    start = time.monotonic()
    with console.steps() as on_step, machine_failures("loading the model"):
        model = load_model(**weights_arguments(config), on_step=on_step)
    loaded = time.monotonic()
    rows_per_batch = rows_together(
        config.rows_per_batch,
        model.text_config,
        model.hf.dtype,
        config.decode.max_new_tokens,
        model.device,
        state_bytes=state_bytes(model),
        by_block=model.device.type == "cpu",
    )
    if folder is not None:
        folder.add_work({"load": loaded - start})
        folder.note_environment(device_name(model.device), rows_per_batch)
    with console.progress(n_instances, len(plan.cells)) as progress:
        for part, lease in chain([first], parts):
            start = time.monotonic()
            name = part_name(part.language, part.block)
            with machine_failures(f"part {name}"), measured(model) as work:
                rows = _part_rows(config, plan, part, model, rows_per_batch, progress)
            if folder is None or lease is None:
                continue
            if not lease.is_held():
                console.info(
                    f"part {name}: its lease was lost or taken over; done again if nobody has"
                )
                continue
            write_judged_part(folder, part.language, part.block, config.control, rows)
            cost = cost_record(
                work,
                plan.model_config,
                len(model.modules(ModuleType(config.module))),
                plan.cells,
                part.prompts,
                config.decode.max_new_tokens,
            )
            folder.add_work({"transplant": time.monotonic() - start}, cost)


def _part_rows(
    config: RunConfig,
    plan: Plan,
    part: Part,
    model: Model,
    rows_per_batch: int,
    progress: RunProgress,
) -> list[Row]:
    progress.set_language(part.language)
    n_together = max(1, rows_per_batch // (len(plan.cells) + 1))
    instances = list(zip(part.instances, part.prompts, strict=True))
    grids: list[TransplantGrid] = []
    for start in range(0, len(instances), n_together):
        require_none()
        pairs = instances[start : start + n_together]
        grids += _grids(config, plan, pairs, model)
        progress.advance(len(pairs) * len(plan.cells))
    return _scored(part.instances, grids, chosen(config.task.scorer))


def _grids(
    config: RunConfig,
    plan: Plan,
    pairs: Sequence[tuple[Instance, PromptPair]],
    model: Model,
) -> list[TransplantGrid]:
    """Return the grid of each of some instances."""
    requests = [
        Request(
            prompts.source,
            prompts.target,
            config.module,
            plan.cells,
            encode_options(
                model.tokenizer, prompts.target, [option.marker for option in instance.options]
            ),
            name=f"instance {instance.id} ({instance.language})",
            noise_seed=noise_seed(config.control, instance, config.seed),
        )
        for instance, prompts in pairs
    ]
    return transplant_all(model, requests, config.decode.max_new_tokens, config.rows_per_batch)


def _scored(
    instances: Sequence[Instance], grids: Sequence[TransplantGrid], scorers: Sequence[Scorer]
) -> list[Row]:
    """Return the rows of a part: of each instance the baseline's and one for each cell."""
    rows = [
        (instance, cell, generation)
        for instance, grid in zip(instances, grids, strict=True)
        for cell, generation in [(None, grid.baseline), *grid.generations.items()]
    ]
    replies = [(one, Reply(g.text, g.finish, g.option_logprobs)) for one, _, g in rows]
    verdicts = {scorer.label: judge(scorer, replies) for scorer in scorers}
    return [
        Row(*row, {label: of[place] for label, of in verdicts.items()})
        for place, row in enumerate(rows)
    ]


def _sum_up(plan: Plan, folder: RunFolder, console: Console) -> Receipt | None:
    """Make the two views if every part is there: so does whoever finishes last."""
    left = [part for part in plan.parts if not folder.exists(part.language, part.block)]
    if left:
        console.info(f"{len(left)} of {len(plan.parts)} parts are left to other processes")
        return None
    with folder.leases.lock("views", seconds=SECONDS_FOR_VIEWS):
        summary = aggregate_run(folder)
    remarks = data_remarks(plan.data)
    receipt = Receipt(folder.path, len(plan.parts), len(plan.cells), remarks, summary)
    show_results(receipt, console)
    return receipt


def _files(plan: Plan, folder: RunFolder) -> list[Path]:
    """Return the files of a finished run."""
    parts = [folder.part_path(part.language, part.block) for part in plan.parts]
    scores = folder.path / "scores"
    verdicts = [path for part in parts for path in scores.glob(f"*/{part.name}")]
    return [*parts, *verdicts, folder.path / "instances.parquet", folder.path / "pairs.parquet"]
