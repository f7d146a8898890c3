"""Uniform numbers from a counter, which depend on nothing but the counter."""

from __future__ import annotations

import hashlib

from xtransplant.types import Cell


def uniform(seed: int, cell: Cell, step: int | str) -> float:
    """Return the uniform number of a step of a try, 0 <= u < 1: a multiple of 2^-52.

    Args:
        seed: of the run and the instance.
        cell: numbers the try.
        step: number of the new token, or "option" for the draw of an answer option.
    """
    counter = f"{seed} {cell.source_layer},{cell.target_layer} {step}".encode()
    return float(int.from_bytes(hashlib.sha256(counter).digest()[:8], "big") >> 12) / 2.0**52
