"""Draw docs/cost.svg from the JSON objects in bench/: cost against cells, prompt length and layers.

python scripts/bench/figure.py
"""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib import pyplot as plt

PANELS = (
    (("cells-*", "full"), "cells", "cells of the grid", "169 tokens, 30 layers"),
    (("prompt-*",), "prompt_tokens", "tokens of the target prompt", "900 cells, 30 layers"),
    (("layers-*",), "layers", "layers", "25 cells, 169 tokens"),
)


def points(patterns: tuple[str, ...], field: str) -> list[tuple[float, float]]:
    """Return (value of the field, seconds) of each object; layers are in the file's name."""
    found = []
    for path in (path for pattern in patterns for path in Path("bench").glob(f"{pattern}.json")):
        figures = json.loads(path.read_text())
        value = int(path.stem.rpartition("-")[2]) if field == "layers" else figures[field]
        found.append((value, figures["seconds"]))
    return sorted(found)


def main() -> None:
    plt.rcParams["svg.hashsalt"] = "xtransplant"
    figure, axes = plt.subplots(1, len(PANELS), figsize=(9.6, 3.2), layout="constrained")
    for axis, (patterns, field, label, fixed) in zip(axes, PANELS, strict=True):
        x, seconds = zip(*points(patterns, field), strict=True)
        axis.plot(x, seconds, "o-", color="#0072B2")
        axis.set(xlabel=label, title=fixed, xlim=(0, None), ylim=(0, None), xticks=x)
        axis.set_xticks(x, [str(value) for value in x], fontsize="small", rotation=45)
        axis.spines[["top", "right"]].set_visible(False)
        for place in zip(x, seconds, strict=True):
            axis.annotate(f"{place[1]:.1f}", place, (4, -10), textcoords="offset points", size=8)
    axes[0].set_ylabel("seconds of one grid")
    figure.savefig("docs/cost.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
