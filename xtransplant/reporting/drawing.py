"""The look of figures: fonts for any script, colours for colour-blind readers, files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font

from xtransplant.files import write_whole

BASE_FONT = "DejaVu Sans"
"""The font that comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew and symbols."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The palette of Okabe and Ito, which colour-blind readers can distinguish."""
DIVERGING = "PuOr_r"
"""Orange for gains, purple for losses; colour-blind readers can distinguish them."""
PANEL = 2.6
"""Side of a panel in inches."""


@contextmanager
def lettering(texts: Iterable[str]) -> Iterator[None]:
    """Use installed fonts that have the letters of the texts, in figures drawn in this block."""
    characters = {character for text in texts for character in text if not character.isspace()}
    with mpl.rc_context(
        {
            "font.family": [BASE_FONT, *_fonts_for(frozenset(characters))],
            "font.size": 8,
            "pdf.fonttype": 42,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
        }
    ):
        yield


def written(text: str) -> str:
    """Return a text with letters that no installed font has replaced by [U+XXXX]."""
    characters = frozenset(character for character in text if not character.isspace())
    found = {BASE_FONT, *_fonts_for(characters)}
    return "".join(
        character
        if character.isspace() or any(ord(character) in _letters(name) for name in found)
        else f"[U+{ord(character):04X}]"
        for character in text
    ).replace("$", r"\$")


def panels(
    n: int, n_columns: int, width: float = PANEL, height: float = PANEL
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `n` panels, row by row; a panel's `width` and `height` are in inches."""
    n_columns = min(n, n_columns)
    n_rows = math.ceil(n / n_columns)
    size = (max(n_columns * width + 1.0, 5.0), n_rows * height + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel().tolist()
    for unused in axes[n:]:
        unused.set_visible(False)
    return figure, axes[:n]


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as PNG and PDF; return the files."""
    stem = re.sub(r"[^\w.-]+", "_", name)
    paths = [folder / f"{stem}{suffix}" for suffix in (".png", ".pdf")]
    for path in paths:
        # No dates, so that equal results give equal files.
        dates = {"CreationDate": None} if path.suffix == ".pdf" else {}
        drawn = BytesIO()
        figure.savefig(drawn, format=path.suffix[1:], dpi=150, metadata=dates)
        write_whole(path, drawn.getvalue())
        figure.set_layout_engine("none")  # keep the layout for the second file, to save time
    return paths


@cache
def _fonts_for(characters: frozenset[str]) -> tuple[str, ...]:
    """Return installed fonts with the letters that the base font lacks."""
    missing = {ord(character) for character in characters} - _letters(BASE_FONT)
    chosen: list[str] = []
    names = {entry.name for entry in fontManager.ttflist}
    for name in sorted(names, key=lambda name: ("Sans" not in name, name)):
        if not missing:
            break
        # A "Last Resort" font draws the same box for every letter.
        if missing & _letters(name) and not name.startswith("Last Resort"):
            chosen.append(name)
            missing -= _letters(name)
    return tuple(chosen)


@cache
def _letters(name: str) -> frozenset[int]:
    """Return the code points that an installed font has."""
    paths = [entry.fname for entry in fontManager.ttflist if entry.name == name]
    try:
        return frozenset(get_font(paths[0]).get_charmap())
    except (IndexError, RuntimeError):  # a font that cannot be read has no letters
        return frozenset()
