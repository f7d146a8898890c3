"""Reading manifests from disk, and checking that a folder is a run."""

from __future__ import annotations

from pathlib import Path

from xtransplant.errors import OutputError
from xtransplant.files import writing
from xtransplant.store.manifest import MANIFEST, Manifest, manifest_in
from xtransplant.store.part_file import fault_at, reading


def read_manifest(run: Path) -> Manifest:
    """Read `manifest.json` in a run's folder.

    Raises:
        OutputError: the file is missing, or not a manifest.
    """
    path = run / MANIFEST
    with reading(path):
        return manifest_in(run)


def earlier_manifest(run: Path, key: str) -> Manifest | None:
    """Return the manifest that earlier commands left in a run's folder; None if there is none.

    Raises:
        OutputError: the file is not a manifest, or belongs to another run key.
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
    """Create the folder of a run; refuse a folder that holds something else.

    Raises:
        OutputError: the folder cannot be created, or is not a run.
    """
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        # List before looking for the manifest: another process that starts now writes it first.
        others = [entry.name for entry in run.iterdir() if not entry.name.startswith(".")]
    if not others or (run / MANIFEST).exists():
        return
    parts = (run / "generations").glob("[!.]*.parquet")
    if all(fault_at(path, key) for path in parts):  # with a sound part, only the manifest was lost
        raise OutputError(
            f"{run} holds {others[0]} but no {MANIFEST}, so it is not a run; move it away or "
            "choose another output_root"
        )
