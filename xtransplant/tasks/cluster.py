"""A short name for what several questions have in common."""

from __future__ import annotations

import hashlib


def cluster_of(text: str) -> str:
    """Return a name that is the same for the same text: 12 hexadecimal characters."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
