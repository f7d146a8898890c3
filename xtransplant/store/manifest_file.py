"""Manifests on disk: which folders have one, and reading them."""

from __future__ import annotations

from pathlib import Path

from xtransplant.errors import OutputError
from xtransplant.files import read_regular
from xtransplant.store.manifest import MANIFEST, Manifest
from xtransplant.store.part_file import reading


def read_manifest(run: Path) -> Manifest:
    """Read `manifest.json` in a run's folder.

    Raises:
        OutputError: the file is missing, or is no manifest.
    """
    path = run / MANIFEST
    with reading(path):
        return Manifest.from_json(read_regular(path).decode())


def earlier_manifest(run: Path, key: str) -> Manifest | None:
    """Return the manifest that earlier commands left in a run's folder; None if there is none.

    Raises:
        OutputError: the file is no manifest, or one of another run key.
    """
    if not (run / MANIFEST).exists():
        return None
    manifest = read_manifest(run)
    if manifest.key != key:
        raise OutputError(
            f"{run} belongs to run key {manifest.key or 'none'}, this run's is {key}; move it away "
            "or choose another output_root"
        )
    return manifest
