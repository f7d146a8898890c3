"""Facts that depend on the architecture: transformers' class, number of layers, modules."""

from __future__ import annotations

from typing import Any

from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from xtransplant.errors import LayerError
from xtransplant.registry import handlers
from xtransplant.types import ModuleType

MODULES = (ModuleType.CROSS_ATTN, ModuleType.ENCODER_BLOCK)
"""Modules that only encoder-decoder models have."""

WRITTEN = handlers(
    "module",
    ModuleType,
    {
        ModuleType.ATTN: ("attn",),
        ModuleType.MLP: ("mlp",),
        ModuleType.BLOCK: ("layers",),
        ModuleType.ATTN_MLP: ("attn", "mlp"),
        ModuleType.ATTN_RESIDUAL: ("attn",),
        ModuleType.CROSS_ATTN: ("cross_attn",),
        ModuleType.ENCODER_BLOCK: ("encoder_layers",),
    },
)
"""The attributes of `families.Model` that hold the modules written, by value of `module`."""

_DECODER_LAYERS = ("num_decoder_layers", "decoder_layers")
"""Keys of the number of decoder layers in configurations."""


def auto_class(config: Any) -> Any:
    """Return transformers' class for language models with this configuration."""
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def n_layers(config: Any, module: ModuleType) -> int:
    """Return the number of layers of the stack (decoder or encoder) that a module belongs to.

    Raises:
        LayerError: the module needs an encoder-decoder model, and this is not one; or the
            configuration says that there are no layers.
    """
    n = _n_layers(config, module)
    if n < 1:
        raise LayerError(f"the model's config.json says {n} layers; allowed: 1 or more")
    return n


def _n_layers(config: Any, module: ModuleType) -> int:
    if not config.is_encoder_decoder:
        if module in MODULES:
            allowed = ", ".join(other for other in ModuleType if other not in MODULES)
            raise LayerError(
                f"module {str(module)!r} needs an encoder-decoder model, and {config.model_type} "
                f"is not one; allowed: {allowed}"
            )
        return int(config.get_text_config().num_hidden_layers)
    # T5 calls the number of encoder layers num_layers; num_hidden_layers is its alias.
    names = ("encoder_layers",) if module is ModuleType.ENCODER_BLOCK else _DECODER_LAYERS
    found = [getattr(config, name, None) for name in (*names, "num_hidden_layers")]
    return next(int(n) for n in found if n is not None)
