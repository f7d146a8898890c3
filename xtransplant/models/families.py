"""Where each model family keeps its decoder layers and their modules: data, verified when used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from xtransplant.errors import ModelError, unknown
from xtransplant.types import ModuleType


@dataclass(frozen=True, slots=True)
class Family:
    """Attribute paths: `layers` from the causal model, `attn` and `mlp` from one decoder layer."""

    layers: str = "model.layers"
    attn: str = "self_attn"
    mlp: str = "mlp"


FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "mistral": Family(),
    "qwen2": Family(),
    "qwen3": Family(),
    "gemma2": Family(),
    "gemma3_text": Family(),
    "gemma3": Family(layers="model.language_model.layers"),
}
"""By `config.model_type`."""


@dataclass(frozen=True, eq=False)
class Model:
    """A Hugging Face causal language model whose layers and modules have been found.

    `revision` is the commit hash or content digest that was loaded, where one is known.
    """

    hf: Any
    tokenizer: Any
    layers: Sequence[nn.Module]
    attn: Sequence[nn.Module]
    mlp: Sequence[nn.Module]
    eos_token_ids: frozenset[int]
    id: str = ""
    revision: str | None = None

    @property
    def n_layers(self) -> int:
        """N: number of decoder layers."""
        return len(self.layers)

    @property
    def text_config(self) -> Any:
        """The language model's own configuration, also in a multimodal checkpoint."""
        return self.hf.config.get_text_config()

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer, in tokens, that the positions allow."""
        return int(self.text_config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Where the first layer is."""
        return next(self.layers[0].parameters()).device

    def modules(self, module: ModuleType) -> Sequence[nn.Module]:
        """Return the module of each layer whose output is written for `module`."""
        match module:
            case ModuleType.ATTN | ModuleType.ATTN_RESIDUAL:
                return self.attn
            case ModuleType.MLP:
                return self.mlp
            case ModuleType.BLOCK:
                return self.layers


def family_of(config: Any, id: str = "") -> Family:
    """Return the family of a Hugging Face configuration.

    Raises:
        ModelError: unknown family.
    """
    kind = config.model_type
    if kind not in FAMILIES:
        raise ModelError(unknown("model family", kind, FAMILIES, "of " + (id or "this checkpoint")))
    return FAMILIES[kind]


def find_parts(hf: Any, tokenizer: Any, *, id: str = "", revision: str | None = None) -> Model:
    """Find the layers and modules of a loaded Hugging Face model.

    Raises:
        ModelError: unknown family, or layers that are not where the family table says.
    """
    family = family_of(hf.config, id)
    kind = hf.config.model_type
    try:
        layers = tuple(attrgetter(family.layers)(hf))
        attn = tuple(attrgetter(family.attn)(layer) for layer in layers)
        mlp = tuple(attrgetter(family.mlp)(layer) for layer in layers)
    except AttributeError as error:
        raise ModelError(f"cannot find the decoder layers of {id or kind!r}: {error}") from error
    expected = hf.config.get_text_config().num_hidden_layers
    if len(layers) != expected:
        raise ModelError(f"{id or kind!r} has {len(layers)} layers, its config says {expected}")
    return Model(hf, tokenizer, layers, attn, mlp, eos_token_ids(hf), id, revision)


def eos_token_ids(hf: Any) -> frozenset[int]:
    """Tokens that end an answer, as `generate` would take them from the checkpoint."""
    eos = hf.generation_config.eos_token_id
    if eos is None:
        eos = hf.config.get_text_config().eos_token_id
    if eos is None:
        return frozenset()
    return frozenset([eos] if isinstance(eos, int) else eos)
