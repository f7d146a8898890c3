"""The run: plan, claim parts, compute, write, sum up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import cast

from xtransplant.config.schema import RunConfig
from xtransplant.engine.profiling import device_name
from xtransplant.errors import OutputError
from xtransplant.models.loading import choose_device
from xtransplant.models.parallel import from_first, is_first
from xtransplant.runner.claims import claimed, missing_parts
from xtransplant.runner.inputs import inputs_of
from xtransplant.runner.part_worker import PartWorker
from xtransplant.runner.plan import Plan, data_remarks, make_plan
from xtransplant.runner.results import show_results
from xtransplant.runner.views import aggregate_run
from xtransplant.scoring.registry import find_scorers
from xtransplant.store.leases import Lease
from xtransplant.store.part_names import part_name
from xtransplant.store.receipts import Receipt, States, states, write_receipt
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import (
    keep_settings,
    require_verdicts,
    verdicts_path,
    write_judged_part,
)
from xtransplant.terminal import Console
from xtransplant.types import Part

SECONDS_FOR_VIEWS = 600.0
"""Maximum time to wait for another process that writes the two views."""


def run(config: RunConfig, console: Console) -> None:
    """Run every cell of the grid on every instance; keep finished parts."""
    paths = inputs_of(config)
    read = None if paths is None else states(paths)  # recorded before anything is read
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
    if not is_first():  # tensor parallelism: this process computes, but only the first one writes
        _do_parts(plan, None, _announced_parts(), sum(plan.n_instances.values()), console)
        return
    folder = RunFolder(plan.folder, plan.key)
    scorers = find_scorers(config.task.scorer)
    require_verdicts(folder, scorers)
    if not all(folder.exists(part.language, part.block) for part in plan.parts):
        choose_device(config.device)  # refuse a wrong device before the folder is created
    folder.open_or_create(asdict(config), plan.n_parts)
    for remark in data_remarks(plan.data):
        console.info(remark)
    with folder.running():
        keep_settings(folder, scorers)
        folder.update_manifest(data=plan.data)
        _do_missing_parts(plan, folder, console)
        receipt = _sum_up(plan, folder, console)
        require_verdicts(folder, scorers)  # another process, frozen before, may have removed some
        if receipt and read:
            _keep_receipt(config, receipt, read, _files(plan, folder), console)


def _keep_receipt(
    config: RunConfig, receipt: Receipt, read: States, files: Sequence[Path], console: Console
) -> None:
    """Write a receipt. If it cannot be written, only say so: the next command checks the run."""
    try:
        with RunFolder(receipt.folder, "").leases.lock("views", seconds=SECONDS_FOR_VIEWS):
            write_receipt(config, receipt, read, files)
    except OutputError as error:
        console.info(f"the run is done, but its receipt is not kept: {error}")


def _do_missing_parts(plan: Plan, folder: RunFolder, console: Console) -> None:
    """Do the missing parts of this process's share that no other process does."""
    parts = plan.shard(plan.config.shard.index, plan.config.shard.count)
    missing = missing_parts(folder, parts)
    if len(missing) < len(parts):
        console.info(f"{len(parts) - len(missing)} of {len(parts)} parts are done already")
    n_instances = sum(len(part.instances) for part in missing)
    with closing(claimed(folder, missing, console.info)) as claims:
        _do_parts(plan, folder, _announcing(claims), n_instances, console)


def _announcing(claims: Iterator[tuple[Part, Lease]]) -> Iterator[tuple[Part, Lease | None]]:
    """Yield claimed parts after announcing them to the other tensor-parallel processes."""
    for part, lease in claims:
        from_first(part)
        yield part, lease
    from_first(None)


def _announced_parts() -> Iterator[tuple[Part, Lease | None]]:
    """Yield the parts that the first process of a tensor-parallel model announces."""
    while part := from_first(cast("Part | None", None)):
        yield part, None


def _do_parts(
    plan: Plan,
    folder: RunFolder | None,
    parts: Iterator[tuple[Part, Lease | None]],
    n_instances: int,
    console: Console,
) -> None:
    """Compute parts, and write them if there is a folder.

    The model is loaded after a part is claimed, so a process without work loads no model.
    """
    first = next(parts, None)
    if first is None:
        return
    with console.steps() as on_step:
        worker = PartWorker(plan, on_step, console.info)
    if folder is not None:
        folder.add_work({"load": worker.load_seconds})
        folder.note_environment(device_name(worker.model.device))
    with console.progress(n_instances, max(1, len(plan.cells))) as progress:
        for part, lease in chain([first], parts):
            start = time.monotonic()
            rows, cost = worker.compute(part, progress)
            if folder is None or lease is None:
                continue
            if not lease.is_held():
                console.info(
                    f"part {part_name(part.language, part.block)}: its lease was lost, so its rows "
                    "are not written; it is computed again unless another process does it"
                )
                continue
            write_judged_part(folder, part.language, part.block, plan.config.control, rows)
            folder.add_work({"transplant": time.monotonic() - start}, cost)
            folder.update_manifest(rows_per_batch=worker.rows_per_batch)


def _sum_up(plan: Plan, folder: RunFolder, console: Console) -> Receipt | None:
    """Write the two views if every part exists. Every process tries; the last one succeeds."""
    left = [part for part in plan.parts if not folder.exists(part.language, part.block)]
    if left:
        console.info(f"{len(left)} of {len(plan.parts)} parts are left to other processes")
        return None
    with folder.leases.lock("views", seconds=SECONDS_FOR_VIEWS):
        summary = aggregate_run(folder)
    remarks = data_remarks(plan.data)
    receipt = Receipt(folder.path, len(plan.parts), len(plan.cells), remarks, summary)
    show_results(receipt, console, given=plan.config.grid.file is not None)
    return receipt


def _files(plan: Plan, folder: RunFolder) -> list[Path]:
    """Return the files of a finished run."""
    parts = [folder.part_path(part.language, part.block) for part in plan.parts]
    labels = {scorer.label for scorer in find_scorers(plan.config.task.scorer)}
    labels |= {path.name for path in (folder.path / "scores").glob("*/")}
    # Missing files are listed too, so that the receipt becomes invalid when they appear.
    verdicts = [
        verdicts_path(folder, label, part.name) for label in sorted(labels) for part in parts
    ]
    return [*parts, *verdicts, folder.path / "instances.parquet", folder.path / "pairs.parquet"]
