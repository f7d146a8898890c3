"""Rows of data sets on the Hugging Face hub; the only module that imports `datasets`.

A local folder in the hub's layout (data files, and a README.md with the configurations) is read by
the same call. Downloads stay in the cache of `datasets`, so later runs need no network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xtransplant.errors import DataError

Row = dict[str, Any]

COMMIT = re.compile("[0-9a-f]{40}")
_LONGEST = 300


class HubData:
    """One data set at one revision; each of its configurations is read once.

    Args:
        id: Hugging Face id, or a local folder in the hub's layout.
        revision: commit, tag or branch of an id; ignored for a folder.

    Raises:
        DataError: the id is a path at which there is no folder.
    """

    def __init__(self, id: str, revision: str | None) -> None:
        self.id = id
        folder = Path(id).expanduser()
        self._folder = folder if folder.is_dir() else None
        if not self._folder and (folder.is_absolute() or id.startswith((".", "~"))):
            raise DataError(f"no folder at {id!r}; give an id of the hub (owner/name) or a folder")
        self._revision = revision
        self._rows: dict[tuple[str | None, str], list[Row]] = {}
        self._commit: str | None = None

    def rows(self, config: str | None, split: str) -> list[Row]:
        """Return all rows of a configuration and split, in the data's order.

        Raises:
            DataError: the rows do not exist or cannot be reached, or the cache has another
                revision.
        """
        if (config, split) not in self._rows:
            self._rows[config, split] = self._load(config, split)
        return self._rows[config, split]

    @property
    def fingerprint(self) -> str:
        """Name of the content: id and commit, or digest of a folder's files; never a path."""
        if self._folder:
            return _digest(self._folder)
        return f"{self.id}@{self._commit or self._revision or 'main'}"

    def _load(self, config: str | None, split: str) -> list[Row]:
        import datasets  # type: ignore[import-untyped]

        with self._errors(config, split), _quiet():
            loaded = datasets.load_dataset(
                str(self._folder or self.id),
                config,
                split=split,
                revision=None if self._folder else self._revision,
            )
        assert isinstance(loaded, datasets.Dataset)
        if not self._folder:
            self._note_commit(loaded)
        rows: list[Row] = loaded.to_list()
        return rows

    def _note_commit(self, loaded: Any) -> None:
        """Remember the commit of the files, which is the name of their folder in the cache.

        Offline, `datasets` ignores the revision, so a pinned revision is checked here.
        """
        folders = (Path(file["filename"]).parent.name for file in loaded.cache_files)
        found = {name for name in folders if COMMIT.fullmatch(name)}
        pinned = self._revision and COMMIT.fullmatch(self._revision)
        if pinned and found - {self._revision}:
            raise DataError(
                f"data {self.id!r}: revision {self._revision} is requested, but the cache has "
                f"{min(found)}; run `xtransplant prepare` on a machine with a network"
            )
        self._commit = min(found, default=self._commit)

    @contextmanager
    def _errors(self, config: str | None, split: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # datasets passes on errors of many libraries
            text = " ".join(f"{type(error).__name__}: {error}".split())
            revision = "" if self._folder else f", revision {self._revision or 'main'}"
            hint = "run `xtransplant prepare` where there is a network, or give task.id=FOLDER"
            if "script" in text:
                hint = "give a revision with data files: task.revision=refs/convert/parquet"
            raise DataError(
                f"cannot read data {self.id!r} (configuration {config}, split {split}{revision}): "
                f"{text[:_LONGEST]}; {hint}"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    import datasets

    verbosity = datasets.logging.get_verbosity()
    bars = datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if not bars:
            datasets.enable_progress_bars()


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if not any(part.startswith(".") for part in Path(name).parts):
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"sha256:{digest.hexdigest()}"
