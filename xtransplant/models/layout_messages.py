"""What a model consists of, in the words of messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from xtransplant.types import ModuleType


def describe(layer: nn.Module, module: ModuleType | None) -> str:
    """Word what a layer consists of, and how to name another part of it as a module."""
    of_blocks = {ModuleType.BLOCK: "layers", ModuleType.ENCODER_BLOCK: "encoder_layers"}
    kind = of_blocks.get(module, str(module)) if module else "layers"
    return f"a {type(layer).__name__} has {names(layer)}; name the right one: model.family.{kind}=…"


def lists(model: nn.Module, kind: str) -> str:
    """Word where a model has lists of modules, and how to name one as "layers" or the like."""
    found = (
        (path, part) for path, part in model.named_modules() if isinstance(part, nn.ModuleList)
    )
    outer = [f"{path} ({len(part)})" for path, part in found if not re.search(r"\.\d+\.", path)]
    return f"it has lists of modules {', '.join(outer)}; name one: model.family.{kind}=…"


def names(part: nn.Module) -> str:
    """List the parts of a module, those in lists by the paths that lead to them."""
    return ", ".join(_names(part, ""))


def _names(part: nn.Module, path: str) -> Iterator[str]:
    for name, child in part.named_children():
        if isinstance(child, nn.ModuleList):
            for number, item in enumerate(child):
                yield from _names(item, f"{path}{name}.{number}.")
        else:
            yield f"{path}{name} ({type(child).__name__})"
