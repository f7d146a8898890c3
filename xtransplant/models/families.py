"""The paths of layers and modules in each model family; they are checked at load."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from xtransplant.errors import LayerError, ModelError
from xtransplant.models.architecture import WRITTEN, n_layers
from xtransplant.models.decoder_prompt import decoder_prompt
from xtransplant.models.generation import eos_token_ids
from xtransplant.models.layout_messages import describe, lists, names
from xtransplant.types import ModuleType


@dataclass(frozen=True, slots=True)
class Family:
    """Attribute paths: from the language model to its layers, from a decoder layer to its modules.

    A path that is None is found automatically: layers are the only module list in the decoder or
    encoder with as many items as the configuration has layers; modules have names in `ORDINARY`.
    """

    layers: str | None = None
    attn: str | None = None
    mlp: str | None = None
    cross_attn: str | None = None
    encoder_layers: str | None = None


ORDINARY = {
    "attn": ("self_attn", "attn", "attention", "self_attention"),
    "mlp": ("mlp", "feed_forward", "block_sparse_moe", "shared_mlp"),
    "cross_attn": ("encoder_attn", "cross_attn"),
}
"""Names of the modules in most families' decoder layers."""

_T5 = Family(
    attn="layer.0.SelfAttention", mlp="layer.2.DenseReluDense", cross_attn="layer.1.EncDecAttention"
)

FAMILIES: dict[str, Family] = {
    # BLOOM's modules add the residual stream themselves, after their last linear layer.
    "bloom": Family(attn="self_attention.dense", mlp="mlp.dense_4h_to_h"),
    # These layers have no feed-forward module; fc2 is the last linear layer of that part.
    "opt": Family(mlp="fc2"),
    "xglm": Family(mlp="fc2"),
    "bart": Family(mlp="fc2"),
    "mbart": Family(mlp="fc2"),
    "m2m_100": Family(mlp="fc2"),
    "marian": Family(mlp="fc2"),
    "pegasus": Family(mlp="fc2"),
    "t5": _T5,
    "mt5": _T5,
    "umt5": _T5,
}
"""Families whose paths are not found automatically, by `config.model_type`."""


@dataclass(frozen=True, eq=False)
class Model:
    """A Hugging Face language model whose layers and modules have been found.

    Attributes:
        hf: Hugging Face model.
        tokenizer: tokenizer of the model.
        layers: decoder layers.
        attn: self-attention of each layer; None for a layer without one.
        mlp: feed-forward module of each layer; None for a layer without one.
        eos_token_ids: tokens that end an answer.
        id: name of the model in messages.
        revision: commit hash or content digest that was loaded; None if neither is known.
        cross_attn: cross-attention of each decoder layer; empty without an encoder.
        encoder_layers: encoder layers; empty without an encoder.
        decoder_prompt: tokens that the decoder starts with; empty without an encoder.
    """

    hf: Any
    tokenizer: Any
    layers: Sequence[nn.Module]
    attn: Sequence[nn.Module | None]
    mlp: Sequence[nn.Module | None]
    eos_token_ids: frozenset[int]
    id: str = ""
    revision: str | None = None
    cross_attn: Sequence[nn.Module | None] = ()
    encoder_layers: Sequence[nn.Module] = ()
    decoder_prompt: tuple[int, ...] = ()

    @property
    def n_layers(self) -> int:
        """Number N of decoder layers."""
        return len(self.layers)

    @property
    def text_config(self) -> Any:
        """Configuration of the language model, also in a multimodal checkpoint."""
        return self.hf.config.get_text_config()

    @property
    def context_length(self) -> int:
        """Maximum number of tokens of prompt plus answer that the positions allow."""
        return context_length(self.text_config)

    @property
    def own_attention(self) -> bool:
        """Whether the family has its own attention code, which the engine cannot replace."""
        return not self.hf._can_set_attn_implementation()

    @property
    def device(self) -> torch.device:
        """Device on which the first layer computes, even if its weights are offloaded."""
        hook = getattr(self.layers[0], "_hf_hook", None)  # accelerate's
        own = next(self.layers[0].parameters()).device
        return torch.device(hook.execution_device) if hook and own.type == "meta" else own

    def modules(self, module: ModuleType) -> Sequence[tuple[nn.Module, ...]]:
        """Return each layer's modules whose outputs are written for `module`; none without all."""
        parts = zip(*(getattr(self, name) for name in WRITTEN[module]), strict=True)
        return [() if None in of_layer else of_layer for of_layer in parts]

    @property
    def module_types(self) -> tuple[ModuleType, ...]:
        """Modules that can be transplanted: those that at least one layer has."""
        return tuple(kind for kind in ModuleType if any(self.modules(kind)))

    def inputs(self, token_ids: Sequence[int]) -> dict[str, Any]:
        """Return arguments for a forward pass over a prompt that computes only its last logits."""
        inputs = {"input_ids": torch.tensor([token_ids], device=self.device)}
        if not self.decoder_prompt:
            return inputs | {"logits_to_keep": 1}
        return inputs | {"decoder_input_ids": torch.tensor([self.decoder_prompt]).to(self.device)}

    def written(self, module: ModuleType, layer: int) -> tuple[nn.Module, ...]:
        """Return the modules of one layer whose outputs are written for `module`.

        Raises:
            LayerError: the layer lacks the module, as in hybrids of attention and state spaces.
        """
        parts = self.modules(module)
        if not parts:
            raise LayerError(
                f"{self.id!r} has no module {str(module)!r}, which needs an encoder-decoder model; "
                f"allowed: {', '.join(self.module_types)}"
            )
        of_layer = parts[layer]
        if not of_layer:
            having = [number for number, others in enumerate(parts) if others]
            raise LayerError(
                f"layer {layer} has no module {str(module)!r}, only {names(self.layers[layer])}; "
                f"layers that have one: {having}, to be given as grid.source_layers and "
                "grid.target_layers, or as cells"
            )
        return of_layer


def context_length(text_config: Any) -> int:
    """Return the maximum number of tokens of prompt plus answer; sys.maxsize if there is no limit.

    In models whose rotary frequencies depend on the length of the prompt, it is the length up to
    which they do not. Beyond it, a prefix would have other keys than the whole prompt.
    """
    rope = getattr(text_config, "rope_parameters", None) or {}
    names = ["max_position_embeddings", "seq_length"]  # seq_length in BLOOM's checkpoints
    if rope.get("rope_type") in ("dynamic", "longrope"):
        if "original_max_position_embeddings" in rope:
            return int(rope["original_max_position_embeddings"])
        names.insert(0, "original_max_position_embeddings")
    lengths = [getattr(text_config, name, None) for name in names]
    return next((int(length) for length in lengths if length), sys.maxsize)


def find_parts(
    hf: Any,
    tokenizer: Any,
    *,
    id: str = "",
    revision: str | None = None,
    family: Family | None = None,
) -> Model:
    """Find the layers and modules of a loaded Hugging Face model.

    Args:
        hf: Hugging Face language model.
        tokenizer: tokenizer of the model.
        id: name of the model in messages.
        revision: commit hash or content digest, as in `Model`.
        family: paths that replace those in `FAMILIES` or the ordinary ones.

    Raises:
        ModelError: layers or modules are not found, or not at the given paths; the message lists
            what the model has.
    """
    known = FAMILIES.get(hf.config.model_type, Family())
    given = family or Family()
    name = f"{id!r} (model type {hf.config.model_type})"

    def find_layers(stack: Any, module: ModuleType, key: str) -> tuple[nn.Module, ...]:
        expected = n_layers(hf.config, module)
        path = getattr(given, key) or getattr(known, key)
        path = path or _layers_path(hf, stack, expected, name, key)
        return _layers_at(hf, path, expected, name, key)

    layers = find_layers(hf.get_decoder(), ModuleType.BLOCK, "layers")

    def modules(kind: str) -> tuple[nn.Module | None, ...]:
        return _modules(layers, kind, getattr(given, kind) or getattr(known, kind), name)

    model = Model(
        hf, tokenizer, layers, modules("attn"), modules("mlp"), eos_token_ids(hf), id, revision
    )
    if not hf.config.is_encoder_decoder:
        if given.cross_attn or given.encoder_layers:
            raise ModelError(
                f"{name} is not an encoder-decoder model: leave out cross_attn, encoder_layers"
            )
        return model
    return replace(
        model,
        cross_attn=modules("cross_attn"),
        encoder_layers=find_layers(hf.get_encoder(), ModuleType.ENCODER_BLOCK, "encoder_layers"),
        decoder_prompt=decoder_prompt(hf),
    )


def layers_prefix(hf: Any, layers: Sequence[nn.Module]) -> str:
    """Return the prefix of the names of the layers' weights, such as "model.layers."."""
    first: str = next(name for name, part in hf.named_modules() if part is layers[0])
    return first.removesuffix("0")


def _layers_path(hf: Any, stack: Any, expected: int, name: str, key: str) -> str:
    """Return the path of a stack's layers: its only list of `expected` modules."""
    lists = {id(part) for part in stack.children() if isinstance(part, nn.ModuleList)}
    paths: dict[str, int] = {
        path: len(part) for path, part in hf.named_modules() if id(part) in lists
    }
    if list(paths.values()).count(expected) != 1:
        found = ", ".join(f"{path} ({length} modules)" for path, length in paths.items())
        found = found or f"no list of modules, only {names(stack)}"
        side = "encoder" if key == "encoder_layers" else "decoder"
        raise ModelError(
            f"cannot tell which are the {expected} {side} layers of {name}; "
            f"its {type(stack).__name__} has {found}; name them: model.family.{key}=…"
        )
    return next(path for path, length in paths.items() if length == expected)


def _layers_at(hf: Any, path: str, expected: int, name: str, key: str) -> tuple[nn.Module, ...]:
    try:
        layers = tuple(attrgetter(path)(hf))
    except (AttributeError, TypeError) as error:
        raise ModelError(f"no layers of {name} at {path!r}: {error}; {lists(hf, key)}") from error
    if len(layers) != expected:
        raise ModelError(
            f"{name} has {len(layers)} layers at {path}, its config says {expected}; "
            f"{lists(hf, key)}"
        )
    return layers


def _modules(
    layers: Sequence[nn.Module], kind: str, path: str | None, name: str
) -> tuple[nn.Module | None, ...]:
    paths = (path,) if path else ORDINARY[kind]
    parts = [_parts(layer, paths) for layer in layers]
    for layer, several in zip(layers, parts, strict=True):
        if len(several) > 1:  # as in Granite 4, which adds experts and a shared module
            raise ModelError(
                f"layers of {name} have more than one {kind}: {', '.join(several)}; "
                f"{describe(layer, ModuleType(kind))}"
            )
    found = tuple(next(iter(several.values()), None) for several in parts)
    if all(part is None for part in found):
        tried = path or ", ".join(ORDINARY[kind])
        raise ModelError(
            f"no layer of {name} has a module {tried}; {describe(layers[0], ModuleType(kind))}"
        )
    return found


def _parts(layer: nn.Module, paths: Sequence[str]) -> dict[str, nn.Module]:
    """Return the modules of a layer at the given paths, without paths that it lacks."""
    found: dict[str, nn.Module] = {}
    for path in paths:
        try:
            part = attrgetter(path)(layer)
        except AttributeError:
            continue
        if isinstance(part, nn.Module) and part not in found.values():  # not under two names
            found[path] = part
    return found
