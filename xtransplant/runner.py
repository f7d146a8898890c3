"""The run, readable on one screen: plan, load, transplant, score, write, sum up."""

from __future__ import annotations

import time
from collections.abc import Sequence

from xtransplant.analysis.aggregate import aggregate_run
from xtransplant.columns import Row
from xtransplant.config import RunConfig, to_dict
from xtransplant.console import Console
from xtransplant.engine.cost import device_name, rows_together
from xtransplant.engine.model_cache import state_bytes
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import TransplantGrid, transplant_all
from xtransplant.models.families import Model
from xtransplant.models.loading import load_model
from xtransplant.models.parallel import from_first, is_first
from xtransplant.plan import Part, Plan, data_remarks, make_plan, weights_arguments
from xtransplant.prompts import encode_options
from xtransplant.scoring import Reply, Scorer, chosen, judge
from xtransplant.store import RunFolder
from xtransplant.types import Instance, PromptPair
from xtransplant.verdicts import require_verdicts, write_judged_part


def run(config: RunConfig, console: Console) -> None:
    """Run every cell of the grid on every instance; parts that an earlier run finished are kept."""
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
    scorers = chosen(config.task.scorer)
    if not is_first():  # it holds a part of the model, and computes with the one that writes
        if missing := from_first(list[Part]()):
            _run_parts(config, plan, missing, None, console)
        return
    folder = RunFolder(plan.folder, plan.key)
    require_verdicts(folder, [scorer.label for scorer in scorers])
    folder.open_or_create(to_dict(config), plan.n_parts)
    for remark in data_remarks(plan.data):
        console.info(remark)
    with folder.running():
        folder.update_manifest(data=plan.data)
        parts = plan.shard(config.shard.index, config.shard.count)
        missing = [part for part in parts if not folder.is_done(part.language, part.block)]
        if len(missing) < len(parts):
            console.info(f"{len(parts) - len(missing)} of {len(parts)} parts are done already")
        if from_first(missing):
            _run_parts(config, plan, missing, folder, console)
        _sum_up(plan, folder, console)


def _run_parts(
    config: RunConfig,
    plan: Plan,
    parts: Sequence[Part],
    folder: RunFolder | None,
    console: Console,
) -> None:
    """Compute parts; write them where there is a folder."""
    start = time.monotonic()
    with console.steps() as on_step:
        model = load_model(**weights_arguments(config), on_step=on_step)
    loaded = time.monotonic()
    rows_per_batch = rows_together(
        config.rows_per_batch,
        model.text_config,
        model.hf.dtype,
        config.decode.max_new_tokens,
        model.device,
        state_bytes=state_bytes(model),
    )
    if folder is not None:
        folder.note_environment(device_name(model.device), rows_per_batch)
    n_together = max(1, rows_per_batch // (len(plan.cells) + 1))
    with console.progress(sum(len(part.instances) for part in parts), len(plan.cells)) as progress:
        for part in parts:
            progress.set_language(part.language)
            rows = []
            instances = list(zip(part.instances, part.prompts, strict=True))
            for start in range(0, len(instances), n_together):
                pairs = instances[start : start + n_together]
                rows += _rows(config, plan, pairs, model)
                progress.advance(len(pairs) * len(plan.cells))
            if folder is not None:
                write_judged_part(folder, part.language, part.block, config.control, rows)
    if folder is not None:
        folder.update_manifest(
            timings={"load": loaded - start, "transplant": time.monotonic() - loaded}
        )


def _rows(
    config: RunConfig,
    plan: Plan,
    pairs: Sequence[tuple[Instance, PromptPair]],
    model: Model,
) -> list[Row]:
    """Return the rows of some instances: of each the baseline's and one for each cell."""
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
        )
        for instance, prompts in pairs
    ]
    grids = transplant_all(model, requests, config.decode.max_new_tokens, config.rows_per_batch)
    return [
        row
        for (instance, _), grid in zip(pairs, grids, strict=True)
        for row in _scored(instance, grid, chosen(config.task.scorer))
    ]


def _scored(instance: Instance, grid: TransplantGrid, scorers: Sequence[Scorer]) -> list[Row]:
    rows = [(None, grid.baseline), *grid.generations.items()]
    replies = [(instance, Reply(g.text, g.finish, g.option_logprobs)) for _, g in rows]
    verdicts = {scorer.label: judge(scorer, replies) for scorer in scorers}
    return [
        Row(instance, cell, generation, {label: of[place] for label, of in verdicts.items()})
        for place, (cell, generation) in enumerate(rows)
    ]


def _sum_up(plan: Plan, folder: RunFolder, console: Console) -> None:
    left = [part for part in plan.parts if not folder.is_done(part.language, part.block)]
    if left:
        console.info(f"{len(left)} of {len(plan.parts)} parts are left to other shards")
        return
    console.summary_table(aggregate_run(folder), len(plan.cells))
    console.write(f"results: {folder.path}")
