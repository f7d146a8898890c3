"""Texts for messages that list the modules of a model and name the setting to choose another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from xtransplant.types import ModuleType


def describe(layer: nn.Module, module: ModuleType | None) -> str:
    """Return a text that lists a layer's modules and says how to select one."""
    of_blocks = {ModuleType.BLOCK: "layers", ModuleType.ENCODER_BLOCK: "encoder_layers"}
    kind = of_blocks.get(module, str(module)) if module else "layers"
    return f"a {type(layer).__name__} has {names(layer)}; name the right one: model.family.{kind}=…"


def lists(model: nn.Module, kind: str) -> str:
    """Return a text that lists a model's module lists and says how to select one as `kind`."""
    found = (
        (path, part) for path, part in model.named_modules() if isinstance(part, nn.ModuleList)
    )
    outer = [f"{path} ({len(part)})" for path, part in found if not re.search(r"\.\d+\.", path)]
    return f"it has lists of modules {', '.join(outer)}; name one: model.family.{kind}=…"


def names(part: nn.Module) -> str:
    """Return the names and types of a module's children; of those in module lists, the paths."""
    return ", ".join(_names(part, ""))


def _names(part: nn.Module, path: str) -> Iterator[str]:
    for name, child in part.named_children():
        if isinstance(child, nn.ModuleList):
            for number, item in enumerate(child):
                yield from _names(item, f"{path}{name}.{number}.")
        else:
            yield f"{path}{name} ({type(child).__name__})"
