"""How alike the activations of one question in two languages are, and of two questions in one.

Shapes: Q questions, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """Figures of one language, module and layer.

    Attributes:
        same_question: mean cosine of the same question in the two languages, -1 to 1.
        other_questions: mean cosine of two different questions, both in the language.
        nearest_is_same: share of prompts, of both languages, whose nearest neighbour by cosine
            among the prompts of the other language is the same question. Chance is 1 / Q.
    """

    same_question: float
    other_questions: float
    nearest_is_same: float


def similarity(pivot_QD: Floats, language_QD: Floats) -> Similarity:
    """Compare the activations of two or more questions in two languages, row by row the same."""
    pivot, language = _normalised(pivot_QD), _normalised(language_QD)
    n = len(pivot)
    across, within = pivot @ language.T, language @ language.T
    number = np.arange(n)
    hits = (across.argmax(1) == number).sum() + (across.argmax(0) == number).sum()
    return Similarity(
        same_question=float(across.diagonal().mean()),
        other_questions=float((within.sum() - within.trace()) / (n * (n - 1))),
        nearest_is_same=float(hits / (2 * n)),
    )


def _normalised(rows_QD: Floats) -> Floats:
    """Return rows of length 1; a row of zeros, which has no direction, stays."""
    lengths = np.linalg.norm(rows_QD, axis=-1, keepdims=True)
    found: Floats = rows_QD / np.where(lengths > 0, lengths, 1)
    return found
