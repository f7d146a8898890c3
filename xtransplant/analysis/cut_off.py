"""Answers that the token limit cut off, and warnings about a run's results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from xtransplant.types import LanguageSummary

if TYPE_CHECKING:
    import pandas as pd

CUT_OFF = "length"
"""Value of `finish` of a text that the token limit ended."""


def with_cut_off(
    summary: Sequence[LanguageSummary], generations: pd.DataFrame
) -> list[LanguageSummary]:
    """Return the summary with the number of texts of each language, and of those cut off.

    Args:
        summary: one summary for each language.
        generations: rows of these languages with `language` and `finish`, baselines included.
    """
    cut_off = (
        generations["finish"].eq(CUT_OFF).groupby(generations["language"]).agg(["size", "sum"])
    )
    found = {str(name): (int(n), int(cut)) for name, n, cut in cut_off.itertuples(name=None)}
    return [
        replace(row, n_texts=found[row.language][0], n_cut_off=found[row.language][1])
        for row in summary
    ]


def doubts(n_texts: int, n_cut_off: int, *, any_right: bool) -> list[str]:
    """Return warnings about a run's results with the settings to check, one line each.

    Args:
        n_texts: number of answers of the run, baselines included.
        n_cut_off: number of answers that the token limit cut off.
        any_right: whether any answer is right.
    """
    found = []
    if 2 * n_cut_off > n_texts:
        found.append(
            f"{n_cut_off:,} of {n_texts:,} answers were cut off by the token limit: raise "
            "decode.max_new_tokens if the texts end before the answer"
        )
    if not any_right:
        found.append(
            "no answer is right, not even the baseline's: read some texts, then look at the scorer "
            "(task.scorer), the prompt and decode.max_new_tokens"
        )
    return found
