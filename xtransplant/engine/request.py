"""The arguments of one grid, and their checks; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch

from xtransplant.config import schema
from xtransplant.config.grid import resolve_cells
from xtransplant.config.intervention import TRANSPLANT, Intervention, require_writable
from xtransplant.engine.options import Tokens
from xtransplant.engine.sampling import Sampling
from xtransplant.errors import ConfigError, LayerError, NumericsError, PromptError, unknown
from xtransplant.models.architecture import WRITTEN, n_layers
from xtransplant.models.families import Model
from xtransplant.prompts.tokenise import encode, require_room, token_ids
from xtransplant.registry import handlers
from xtransplant.types import Cell, ModuleType, Prompt

READ_FROM_PROMPT = handlers(
    "intervention.vector", schema.VECTORS, {"activation": True, "difference": False}
)
"""Whether a source prompt is enough to make the vector."""


@dataclass(frozen=True)
class Request:
    """One grid; the arguments are those of `transplant`, and some more.

    Attributes:
        source: prompt whose activations are taken; or the vectors themselves, one for each of the
            module's N layers: [N, D], of `attn_mlp` [N, 2, D] (attention, then feed-forward).
        target: prompt that is answered.
        module: module that is transplanted.
        cells: "full" or pairs of layers; "none" for the baseline alone.
        options: token ids of answer options; each `Generation` then has their log-probabilities
            after the target prompt.
        name: name of this pair of prompts in messages.
        noise_seed: seed of Gaussian noise that replaces the source's activations, with the norm of
            each; None for the activations themselves.
        displacement_seed: seed of random directions, one for each cell. The output moves along
            them, as far as the intervention would have moved it; None for the intervention.
        intervention: what is made of the activations, and where it is put.
        sampling: how the untouched model is sampled, once for each cell, in place of transplants;
            None for transplants.
    """

    source: str | Sequence[int] | Prompt | torch.Tensor
    target: str | Sequence[int] | Prompt
    module: ModuleType | str = ModuleType.MLP
    cells: Literal["full", "none"] | Sequence[tuple[int, int] | Cell] = "full"
    options: Sequence[Sequence[int]] = ()
    name: str = ""
    noise_seed: int | None = None
    displacement_seed: int | None = None
    intervention: Intervention = TRANSPLANT
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Resolved:
    """A checked request.

    Attributes:
        source: token ids of the source prompt; none if vectors are given.
        given: vectors that are given in place of a source prompt.
        target: token ids of the target prompt, and of its answer options.
        module: module that is transplanted.
        cells: cells of the grid, each once.
        name: start of messages about the request.
        noise_seed: as in `Request`.
        displacement_seed: as in `Request`.
        intervention: as in `Request`.
        sampling: as in `Request`.
    """

    source: Tokens
    given: torch.Tensor | None
    target: tuple[Tokens, tuple[Tokens, ...]]
    module: ModuleType
    cells: tuple[Cell, ...]
    name: str
    noise_seed: int | None
    displacement_seed: int | None
    intervention: Intervention
    sampling: Sampling | None

    @property
    def reads_source(self) -> bool:
        """Whether any row takes an activation of the source prompt."""
        return bool(self.cells) and self.sampling is None and self.given is None

    @classmethod
    def of(cls, model: Model, request: Request, max_new_tokens: int) -> Resolved:
        """Encode the prompts and resolve the cells; errors are as for `transplant`."""
        module = _module(request.module)
        require_writable(request.intervention, module)
        cells = _cells(request.cells, n_layers(model.hf.config, module))
        for layer in {cell.source_layer for cell in cells} | {cell.target_layer for cell in cells}:
            model.written(module, layer)
        name = f"{request.name}: " if request.name else ""
        options = tuple(
            tuple(token_ids(option, f"{name}option {number}"))
            for number, option in enumerate(request.options)
        )
        _require_options(options, model.text_config.vocab_size, name)
        answer = max([max_new_tokens, *map(len, options)])
        source, given = _source(model, request, module, name)
        if model.decoder_prompt:
            decoder = Prompt(model.decoder_prompt)
            require_room(decoder, answer, model.context_length, f"{name}decoder's prompt")
            answer = 0
        target = _encoded(model, request.target, answer, f"{name}target prompt")
        return cls(
            source,
            given,
            (target, options),
            module,
            tuple(cells),
            name,
            request.noise_seed,
            request.displacement_seed,
            request.intervention,
            request.sampling,
        )


def _source(
    model: Model, request: Request, module: ModuleType, name: str
) -> tuple[Tokens, torch.Tensor | None]:
    """Return the token ids of the source prompt, or the vectors that are given in its place."""
    source, vector = request.source, request.intervention.vector
    if isinstance(source, torch.Tensor) and source.is_floating_point():
        return (), _checked(model, source, module, name)
    if not READ_FROM_PROMPT[vector]:
        raise ConfigError(
            f"{name}intervention.vector={vector} is made from a task's data, and a prompt is not "
            "enough; allowed: activation, or the vectors as a tensor in the source prompt's place"
        )
    prompt = cast("str | Sequence[int] | Prompt", source)  # an array of ids is a sequence too
    return _encoded(model, prompt, 0, f"{name}source prompt"), None


def _checked(model: Model, vectors: torch.Tensor, module: ModuleType, name: str) -> torch.Tensor:
    """Return vectors on the model's device and in its dtype.

    Raises:
        LayerError: vectors of another shape.
        NumericsError: a vector that is NaN or infinite.
    """
    layers, together = model.modules(module), len(WRITTEN[module])
    shape = (len(layers), *([together] if together > 1 else []), model.text_config.hidden_size)
    if vectors.shape != shape:
        raise LayerError(
            f"{name}source vectors have shape {list(vectors.shape)}; allowed: {list(shape)}, one "
            f"for each layer of module {str(module)!r}"
        )
    bad = (~vectors.isfinite().flatten(1).all(1)).nonzero()
    if len(bad):
        raise NumericsError(f"{name}source vectors: NaN or infinite at layer {int(bad[0])}")
    return vectors.to(model.device, model.hf.dtype)


def _encoded(
    model: Model, prompt: str | Sequence[int] | Prompt, new_tokens: int, name: str
) -> Tokens:
    encoded = encode(model.tokenizer, prompt, keep_end=bool(model.decoder_prompt))
    require_room(encoded, new_tokens, model.context_length, name)
    _require_vocabulary(encoded.token_ids, model.text_config.vocab_size, name)
    return encoded.token_ids


def _cells(cells: object, n_layers: int) -> list[Cell]:
    """Return the requested cells."""
    if isinstance(cells, str) and cells == "none":
        return []
    if isinstance(cells, str) and cells == "full":
        return resolve_cells(n_layers)
    if isinstance(cells, str) or not isinstance(cells, Iterable):
        raise LayerError(
            f"malformed cells {cells!r}; allowed: 'full', 'none' or a list of pairs such as "
            "[(16, 4)]"
        )
    pairs = [
        (cell.source_layer, cell.target_layer) if isinstance(cell, Cell) else cell for cell in cells
    ]
    return resolve_cells(n_layers, pairs=pairs)


def _module(name: ModuleType | str) -> ModuleType:
    try:
        return ModuleType(name)
    except ValueError as error:
        raise LayerError(unknown("module", str(name), list(ModuleType))) from error


def _require_options(options: Sequence[Tokens], vocab_size: int, name: str) -> None:
    for number, tokens in enumerate(options):
        if not tokens:
            raise PromptError(f"{name}option {number} has no tokens; an option needs one or more")
        _require_vocabulary(tokens, vocab_size, f"{name}option {number}")


def _require_vocabulary(token_ids: Tokens, vocab_size: int, name: str) -> None:
    for token in token_ids:
        if not 0 <= token < vocab_size:
            raise PromptError(
                f"{name} contains token id {token}; the vocabulary has ids 0 to {vocab_size - 1}"
            )
