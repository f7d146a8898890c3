"""The primary family: the contrasts of a study that decide, declared before there is any number.

A study has hundreds of differences, and some look large by chance. These six are the ones that a
conclusion may rest on. They are fixed here, with a version that stands in the manifest of each run
and in the report. Whoever changes anything in this file, or how the contrasts are computed
(`xtransplant.analysis.primary_family`), raises the version.
"""

from __future__ import annotations

from collections.abc import Mapping

VERSION = 1

STRATEGY = "overall"
"""Cells that may be selected: all of the grid."""
POOLED = False
"""A pair is selected for each language, not one for all."""
MODULES = ("attn", "mlp")
"""The modules of the paper, of which the one that does best on the selection split is judged. Other
modules stand in only where neither of these has a grid."""
N_VOTERS = 16
"""Cells that vote in the rule without gold: the best of the selection split, by language."""
ALPHA = 0.05
"""Level of the whole family, by Holm. A contrast that was not run counts as one with p = 1."""

CONTRASTS: Mapping[str, str] = {
    "a": "selected pair - baseline",
    "b": "selected pair - control mean at the same cell",
    "c": "selected pair - control random_instance at the same cell",
    "d": "upper bound - upper bound of as many samples of the untouched model",
    "e": f"vote over the best {N_VOTERS} cells - baseline",
    "f": "selected pair - other method that was best on the selection split",
}
"""What is compared, by letter: macro averages over languages, on a split that did not select."""

METHODS = ("ask", "style", "shots", "shots_language", "reasoning", "adapter")
"""Axes of a run by which its untouched model is another method than the experiment's: how the model
is asked, and its adapter. One that this version does not have is the same in all runs."""


def selection_split(splits: tuple[str, ...]) -> str | None:
    """Return the split that selects, of a task's splits: `sample`, else the first."""
    return "sample" if "sample" in splits else next(iter(splits), None)


def later_splits(splits: tuple[str, ...]) -> list[str]:
    """Return the splits that may judge, in the order in which they are looked for."""
    selecting = selection_split(splits)
    if selecting is None:
        return []
    place = splits.index(selecting)
    return [*splits[place + 1 :], *splits[:place]]
