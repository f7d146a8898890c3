"""Vectors that are learned from a task's data: sums by cluster, and the file that holds them.

    <output_root>/.vectors/<digest>.safetensors

The digest names what the sums are made of. The file holds a checksum of itself, so that a damaged
one is found, and it gets its name only once it is written whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from xtransplant.files import clear_leftovers, read_regular, write_whole
from xtransplant.jsonl import parse_json

Floats = npt.NDArray[np.float64]

HEADER = 8
"""Number of bytes that tell the length of a safetensors header."""
MARKS = "xtransplant"
"""Name of the metadata: one, since safetensors writes several in any order."""


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Sums of vectors over the questions of each cluster. Shapes: C clusters.

    Attributes:
        clusters: names of the clusters.
        counts: number of questions of each cluster, [C].
        sums: sum of their vectors, float64, [C, ...].
    """

    clusters: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    sums: Floats

    def mean_without(self, cluster: str) -> Floats:
        """Return the mean over the questions of all other clusters, [...]; there must be one."""
        others = np.array([name != cluster for name in self.clusters])
        own = self.sums[~others].sum(0)  # zero where the cluster has no question here
        mean: Floats = (self.sums.sum(0) - own) / self.counts[others].sum()
        return mean


def write_sums(path: Path, found: ClusterSums) -> None:
    """Write sums; no other process may write the file now.

    Raises:
        OutputError: the file cannot be written.
    """
    names = json.dumps(found.clusters, ensure_ascii=False)
    content = {"counts": found.counts, "sums": found.sums}
    clear_leftovers(path)
    marks = json.dumps({"clusters": names, "sha256": _checksum(names, save(content))})
    write_whole(path, save(content, {MARKS: marks}))


def read_sums(path: Path) -> tuple[ClusterSums | None, str | None]:
    """Read sums.

    Returns:
        The sums and None; or None and what is wrong with the file, which is None if there is none.
    """
    try:
        content = read_regular(path)
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, f"cannot be read: {error.strerror or error}"
    try:
        length = int.from_bytes(content[:HEADER], "little")
        header = parse_json(content[HEADER : HEADER + length])
        marks = parse_json(header["__metadata__"][MARKS].encode())
        tensors = load(content)
        counts, sums = tensors["counts"], tensors["sums"]
        if marks["sha256"] != _checksum(marks["clusters"], save({"counts": counts, "sums": sums})):
            return None, "is damaged: its checksum does not agree"
        clusters = tuple(parse_json(marks["clusters"].encode()))
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError):
        return None, "is cut off or damaged"
    return ClusterSums(clusters, counts, sums), None


def _checksum(names: str, tensors: bytes) -> str:
    return hashlib.sha256(names.encode() + tensors).hexdigest()
