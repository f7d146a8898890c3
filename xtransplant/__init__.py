"""Cross-lingual latent transplantation over every pair of layers (arXiv 2412.12686).

    import xtransplant as xt

    model = xt.load_model("org/name-or-folder")
    grid = xt.transplant(model, source="…", target="…", module="mlp")
    runs = xt.load_runs("outputs/xnli")

Importing the package imports neither torch nor pandas; the names below load what they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xtransplant.analysis.load import load_runs
    from xtransplant.config.intervention import Intervention
    from xtransplant.engine.load_model import load_model
    from xtransplant.engine.transplant import TransplantGrid, transplant
    from xtransplant.types import Cell, ModuleType

__version__ = "0.1.0"
__all__ = [
    "Cell",
    "Intervention",
    "ModuleType",
    "TransplantGrid",
    "load_model",
    "load_runs",
    "transplant",
]

_HOMES = {
    "Cell": "xtransplant.types",
    "Intervention": "xtransplant.config.intervention",
    "ModuleType": "xtransplant.types",
    "TransplantGrid": "xtransplant.engine.transplant",
    "load_model": "xtransplant.engine.load_model",
    "load_runs": "xtransplant.analysis.load",
    "transplant": "xtransplant.engine.transplant",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xtransplant' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
