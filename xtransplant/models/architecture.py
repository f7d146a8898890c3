"""What is special about encoder-decoder models: two numbers of layers, and a decoder's prompt."""

from __future__ import annotations

from typing import Any

from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from xtransplant.errors import LayerError
from xtransplant.registry import handlers
from xtransplant.types import ModuleType

MODULES = (ModuleType.CROSS_ATTN, ModuleType.ENCODER_BLOCK)
"""Those that only encoder-decoder models have."""

WRITTEN = handlers(
    "module",
    ModuleType,
    {
        ModuleType.ATTN: "attn",
        ModuleType.MLP: "mlp",
        ModuleType.BLOCK: "layers",
        ModuleType.ATTN_RESIDUAL: "attn",
        ModuleType.CROSS_ATTN: "cross_attn",
        ModuleType.ENCODER_BLOCK: "encoder_layers",
    },
)
"""The attribute of `families.Model` that holds the modules written, by value of `module`."""

_DECODER_LAYERS = ("num_decoder_layers", "decoder_layers")
"""What configurations call the number of decoder layers."""


def auto_class(config: Any) -> Any:
    """Return the class by which transformers makes a language model of this configuration."""
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def n_layers(config: Any, module: ModuleType) -> int:
    """N: the number of layers that have a module, as the model's configuration tells it.

    Raises:
        LayerError: a module of encoder-decoder models, and this is none.
    """
    if not config.is_encoder_decoder:
        if module in MODULES:
            allowed = ", ".join(other for other in ModuleType if other not in MODULES)
            raise LayerError(
                f"module {str(module)!r} is of encoder-decoder models, and {config.model_type} is "
                f"none; allowed: {allowed}"
            )
        return int(config.get_text_config().num_hidden_layers)
    # T5 calls the encoder's layers num_layers, for which num_hidden_layers stands.
    names = ("encoder_layers",) if module is ModuleType.ENCODER_BLOCK else _DECODER_LAYERS
    found = [getattr(config, name, None) for name in (*names, "num_hidden_layers")]
    return next(int(n) for n in found if n is not None)
