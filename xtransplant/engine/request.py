"""What one grid is asked for, and the checks of that; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from xtransplant.config.grid import resolve_cells
from xtransplant.engine.options import Tokens
from xtransplant.engine.sampling import Sampling
from xtransplant.errors import LayerError, PromptError, unknown
from xtransplant.models.architecture import n_layers
from xtransplant.models.families import Model
from xtransplant.prompts.tokenise import encode, require_room, token_ids
from xtransplant.types import Cell, ModuleType, Prompt


@dataclass(frozen=True)
class Request:
    """One grid; the arguments are those of `transplant`, and four more.

    Attributes:
        source: prompt whose activations are taken.
        target: prompt that is answered.
        module: module that is transplanted.
        cells: "full" or pairs of layers; "none" for the baseline alone.
        options: token ids of answer options; each `Generation` then has their log-probabilities
            after the target prompt.
        name: name of this pair of prompts in messages.
        noise_seed: seed of Gaussian noise that replaces the source's activations, with the norm of
            each; None for the activations themselves.
        sampling: how the untouched model is sampled, once for each cell, in place of transplants;
            None for transplants.
    """

    source: str | Sequence[int] | Prompt
    target: str | Sequence[int] | Prompt
    module: ModuleType | str = ModuleType.MLP
    cells: Literal["full", "none"] | Sequence[tuple[int, int] | Cell] = "full"
    options: Sequence[Sequence[int]] = ()
    name: str = ""
    noise_seed: int | None = None
    sampling: Sampling | None = None


@dataclass(frozen=True)
class Resolved:
    """A checked request.

    Attributes:
        source: token ids of the source prompt.
        target: token ids of the target prompt, and of its answer options.
        module: module that is transplanted.
        cells: cells of the grid, each once.
        name: start of messages about the request.
        noise_seed: as in `Request`.
        sampling: as in `Request`.
    """

    source: Tokens
    target: tuple[Tokens, tuple[Tokens, ...]]
    module: ModuleType
    cells: tuple[Cell, ...]
    name: str
    noise_seed: int | None
    sampling: Sampling | None

    @property
    def reads_source(self) -> bool:
        """Whether any row takes an activation of the source prompt."""
        return bool(self.cells) and self.sampling is None

    @classmethod
    def of(cls, model: Model, request: Request, max_new_tokens: int) -> Resolved:
        """Encode the prompts, list the cells, and raise the errors that `transplant` documents."""
        module = _module(request.module)
        cells = _cells(request.cells, n_layers(model.hf.config, module))
        for layer in {cell.source_layer for cell in cells} | {cell.target_layer for cell in cells}:
            model.module(module, layer)
        name = f"{request.name}: " if request.name else ""
        options = tuple(
            tuple(token_ids(option, f"{name}option {number}"))
            for number, option in enumerate(request.options)
        )
        _require_options(options, model.text_config.vocab_size, name)
        answer = max([max_new_tokens, *map(len, options)])
        source = _encoded(model, request.source, 0, f"{name}source prompt")
        if model.decoder_prompt:
            decoder = Prompt(model.decoder_prompt)
            require_room(decoder, answer, model.context_length, f"{name}decoder's prompt")
            answer = 0
        target = _encoded(model, request.target, answer, f"{name}target prompt")
        return cls(
            source,
            (target, options),
            module,
            tuple(cells),
            name,
            request.noise_seed,
            request.sampling,
        )


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
                f"{name} holds token id {token}; the vocabulary has ids 0 to {vocab_size - 1}"
            )
