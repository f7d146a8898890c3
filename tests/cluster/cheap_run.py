"""A run without a model: the texts of a cell are a function of its prompts, and take a moment."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from pathlib import Path

from xtransplant.analysis.aggregate import aggregate_run
from xtransplant.columns import Row
from xtransplant.signals import require_none, stopping
from xtransplant.store import RunFolder
from xtransplant.types import Cell, Generation, Instance, Part, Score
from xtransplant.work import claimed, missing_parts

KEY = "0123456789ab"
CONFIG = {"task": {"name": "cheap"}, "model": {"name": "none"}, "module": "mlp"}
CELLS = [Cell(i, j) for i in range(3) for j in range(3)]
INSTANCES_PER_PART = 4


def planned(n_parts: int) -> list[Part]:
    """Parts of two languages in turn."""
    return [
        Part(language, block, instances(language, block), prompts=())
        for block in range(n_parts // 2)
        for language in ("fr", "sw")
    ]


def instances(language: str, block: int) -> tuple[Instance, ...]:
    return tuple(instance(language, block, place) for place in range(INSTANCES_PER_PART))


def instance(language: str, block: int, place: int) -> Instance:
    id = f"cheap-{block * INSTANCES_PER_PART + place:04d}"
    return Instance(id, language, "en", language, f"{id}?", f"{language} {id}?", gold="1")


def rows_of(part: Part) -> list[Row]:
    return [row(instance, cell) for instance in part.instances for cell in (None, *CELLS)]


def row(instance: Instance, cell: Cell | None) -> Row:
    digest = hashlib.sha256(f"{instance.target} {cell}".encode()).hexdigest()
    score = Score(digest[0], digest[0] in "01234")
    return Row(instance, cell, Generation((1, 2), digest, "eos"), {"cheap-1": score})


def take(seconds: float) -> None:
    """Pass the time as a decoder does, in steps."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        require_none()
        time.sleep(min(0.01, seconds))


def work(folder: RunFolder, parts: Sequence[Part], seconds: float) -> None:
    counts = {part.language: len(parts) // 2 for part in parts}
    folder.open_or_create(CONFIG, counts)
    with folder.running():
        missing = missing_parts(folder, parts)
        print(f"{len(parts) - len(missing)} of {len(parts)} done", flush=True)
        with closing(claimed(folder, missing, print)) as claims:
            for part, lease in claims:
                rows = rows_of(part)
                take(seconds)
                if lease.is_held():
                    print(f"{part.language}-{part.block:04d} written", flush=True)
                    folder.write_part(part.language, part.block, "none", rows)
        if not missing_parts(folder, parts):
            with folder.leases.lock("views"):
                aggregate_run(folder)


def run(path: str, n_parts: int, seconds: float, log: str) -> None:
    """Work in a process of one's own; what is said goes to the file `log`."""
    with Path(log).open("w", encoding="utf-8") as file, redirect_stdout(file), stopping():
        work(RunFolder(Path(path), KEY), planned(n_parts), seconds)
