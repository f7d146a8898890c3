"""Which instances are the sample, and which are left unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from xtransplant.errors import DataError, unknown
from xtransplant.tasks.lazy_instance import Draft

SPLITS = ("sample", "unseen", "all")


def pick(drafts: Sequence[Draft], split: str, size: int, seed: int, unit: str) -> list[Draft]:
    """Return the instances of a split, in the order given.

    Units are ranked by a hash of seed and name; the first `size` are the sample, the others are
    unseen. A rank depends on nothing but the name, so that languages with the same units have the
    same sample.

    Args:
        drafts: of all instances there are in one language.
        split: "sample", "unseen" or "all".
        size: units in the sample.
        seed: of the ranking.
        unit: "id" for an instance, "cluster" for all instances of a cluster.

    Raises:
        DataError: another split.
    """
    if split not in SPLITS:
        raise DataError(unknown("split", split, SPLITS))
    if split == "all":
        return list(drafts)
    ranked = sorted({_unit(each, unit) for each in drafts}, key=lambda name: rank(name, seed))
    sample = set(ranked[:size])
    return [each for each in drafts if (_unit(each, unit) in sample) == (split == "sample")]


def rank(name: str, seed: int) -> str:
    """Return what a unit is sorted by."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _unit(draft: Draft, unit: str) -> str:
    return (draft.cluster if unit == "cluster" else "") or draft.id


def cluster_of(text: str) -> str:
    """Return a name that is the same for the same text: 12 hexadecimal characters."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
