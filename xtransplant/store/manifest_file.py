"""Manifests on disk: which folders are runs, and reading them."""

from __future__ import annotations

from pathlib import Path

from xtransplant.errors import OutputError
from xtransplant.files import writing
from xtransplant.store.manifest import MANIFEST, Manifest, manifest_in
from xtransplant.store.part_file import fault_at, reading


def read_manifest(run: Path) -> Manifest:
    """Read `manifest.json` in a run's folder.

    Raises:
        OutputError: the file is missing, or is no manifest.
    """
    path = run / MANIFEST
    with reading(path):
        return manifest_in(run)


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


def require_run(run: Path, key: str) -> None:
    """Make the folder of a run; refuse one that holds something else.

    Raises:
        OutputError: the folder cannot be made, or is no run.
    """
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        # Listed before the manifest is looked for: a process that starts now writes that first.
        others = [entry.name for entry in run.iterdir() if not entry.name.startswith(".")]
    if not others or (run / MANIFEST).exists():
        return
    parts = (run / "generations").glob("[!.]*.parquet")
    if all(fault_at(path, key) for path in parts):  # else only the manifest was lost
        raise OutputError(
            f"{run} holds {others[0]} but no {MANIFEST}, so it is not a run; move it away or "
            "choose another output_root"
        )
