"""The inputs of a run: local files and folders that its rows depend on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from xtransplant.config.schema import RunConfig
from xtransplant.models.adapter import is_path
from xtransplant.models.checkpoint import HubId, resolve
from xtransplant.models.gguf import Gguf
from xtransplant.tasks.load import open_translations

HF_DATASETS_CACHE = os.getenv("HF_DATASETS_CACHE", os.path.join(constants.HF_HOME, "datasets"))
"""The same as in `datasets`, which takes a second to import."""
COMMIT = re.compile("[0-9a-f]{40}")
PACKAGE = Path(__file__).parents[1]


def inputs_of(config: RunConfig) -> list[Path] | None:
    """Return all files and folders of the data, the weights and this package.

    Folders are listed too, because their state changes when files come or go. Return None if an
    input is a branch or tag on the hub, which may move, unless HF_HUB_OFFLINE is set.

    Raises:
        ModelError: a path does not exist, or is not a checkpoint.
    """
    found = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    for part in (_weights(config), _adapter(config), _data(config)):
        if part is None:
            return None
        found += part
    return found


def _weights(config: RunConfig) -> list[Path] | None:
    model = config.model
    match resolve(model.id, model.revision, model.distribution):
        case HubId(repo, revision):
            # Also its path, because a local folder of that name would be used instead.
            return _on_hub("models", repo, revision, [Path(model.id)])
        case Gguf(_, parts):
            return list(parts)
        case folder:
            return [*_tree(folder)]


def _adapter(config: RunConfig) -> list[Path] | None:
    adapter = config.model.adapter
    if adapter is None:
        return []
    path = Path(adapter).expanduser()
    if is_path(adapter):
        return [*_tree(path)]
    return _on_hub("models", adapter, config.model.adapter_revision, [path])


def _data(config: RunConfig) -> list[Path] | None:
    task = config.task
    found = [*_tree(open_translations(config).folder)]
    for place in (task.file, task.data_dir, task.template, config.grid.file):
        if place:
            found += _tree(Path(place).expanduser())
    if task.data_dir:
        return found
    for id, revision in ((task.id, task.revision), (task.pivot_id, task.pivot_revision)):
        if id is None:
            continue
        folder = Path(id).expanduser()
        more = [*_tree(folder)] if folder.is_dir() else _data_on_hub(id, revision)
        if more is None:
            return None
        found += more
    return found


def _data_on_hub(id: str, revision: str | None) -> list[Path] | None:
    # Offline, `datasets` reads from folders of its cache with such names.
    cached = Path(HF_DATASETS_CACHE).glob(f"{id.partition('/')[0]}___*")
    places = [path for folder in sorted(cached) for path in _tree(folder)]
    # Also the path `id`, because a local folder of that name would be used instead.
    return _on_hub("datasets", id, revision, [Path(id), *places])


def _on_hub(kind: str, repo: str, revision: str | None, places: list[Path]) -> list[Path] | None:
    """Return `places` and the file with a revision's commit; None if only the hub knows it."""
    if revision and COMMIT.fullmatch(revision):
        return places
    if not constants.HF_HUB_OFFLINE:
        return None
    cache = Path(constants.HF_HUB_CACHE) / f"{kind}--{repo.replace('/', '--')}"
    return [*places, cache / "refs" / (revision or constants.DEFAULT_REVISION)]


def _tree(path: Path) -> Iterator[Path]:
    """Yield the path itself, even if it does not exist, and everything below a folder."""
    yield path
    if path.is_dir():
        yield from sorted(path.rglob("*"))
