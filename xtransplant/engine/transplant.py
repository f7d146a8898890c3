"""One pair of prompts, one module, a grid of cells: the public call and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from xtransplant.engine.capture import capture
from xtransplant.engine.decode import Row, decode
from xtransplant.engine.grid import resolve_cells
from xtransplant.errors import LayerError, PromptError, unknown
from xtransplant.models.families import Model
from xtransplant.prompts import decode_text, encode, require_room
from xtransplant.types import Cell, Generation, ModuleType, Prompt

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TransplantGrid:
    """The continuations of one target prompt: untouched, and with each cell's transplant.

    Attributes:
        module: what was transplanted.
        baseline: the target prompt untouched.
        generations: by cell, in the order the cells were given.
        n_layers: N of the model.
    """

    module: ModuleType
    baseline: Generation
    generations: Mapping[Cell, Generation]
    n_layers: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the grid, in the order they were given, each once."""
        return tuple(self.generations)

    def generation(self, source_layer: int, target_layer: int) -> Generation:
        """Return one cell's continuation; negative layers count from the end.

        Raises:
            LayerError: no such layer, or a cell outside this grid.
        """
        (cell,) = resolve_cells(self.n_layers, pairs=[(source_layer, target_layer)])
        if cell not in self.generations:
            raise LayerError(
                f"cell {source_layer},{target_layer} is not in this grid of "
                f"{len(self.generations)} cells; see .cells"
            )
        return self.generations[cell]

    def text(self, source_layer: int, target_layer: int) -> str:
        """Return one cell's text; raises as `generation` does."""
        return self.generation(source_layer, target_layer).text

    def to_frame(self) -> pd.DataFrame:
        """Return one row per cell, the baseline first with null layers.

        Columns: source_layer, target_layer (Int16), text, token_ids (list of int), n_tokens,
        finish ("eos" or "length").
        """
        import pandas as pd

        rows = [(None, None, self.baseline)] + [
            (cell.source_layer, cell.target_layer, generation)
            for cell, generation in self.generations.items()
        ]
        return pd.DataFrame(
            {
                "source_layer": pd.array([source for source, _, _ in rows], dtype="Int16"),
                "target_layer": pd.array([target for _, target, _ in rows], dtype="Int16"),
                "text": [generation.text for _, _, generation in rows],
                "token_ids": [list(generation.token_ids) for _, _, generation in rows],
                "n_tokens": [generation.n_tokens for _, _, generation in rows],
                "finish": [generation.finish for _, _, generation in rows],
            }
        )


def transplant(
    model: Model,
    source: str | Sequence[int] | Prompt,
    target: str | Sequence[int] | Prompt,
    module: ModuleType | str = ModuleType.MLP,
    cells: Literal["full"] | Sequence[tuple[int, int] | Cell] = "full",
    max_new_tokens: int = 20,
    rows_per_batch: int | None = None,
) -> TransplantGrid:
    """Answer the target prompt with activations of the source prompt, once for each cell.

    For a cell (i, j) the module's activation at layer i and the last source token takes the place
    of its output at layer j and the last target token, in the pass that yields the first new
    token; decoding is greedy (arXiv 2412.12686, section 2).

    Args:
        model: from `load_model`.
        source: the prompt whose activations are taken, as text or token ids.
        target: the prompt that is answered, as text or token ids.
        module: "attn", "mlp", "block" or "attn_residual".
        cells: "full" for all N² pairs, or (source_layer, target_layer) pairs; negative layers
            count from the end, repeated cells are computed once.
        max_new_tokens: new tokens at most.
        rows_per_batch: cells that decode together; it changes memory and speed, not results.
            None chooses a number that fits.

    Returns:
        The baseline and every cell's continuation.

    Raises:
        LayerError: a layer outside 0..N-1, no cells, an unknown module.
        PromptError: an empty or one-token prompt, one that exceeds the model's context, an id
            outside the vocabulary.
        NumericsError: NaN or infinite activations.
    """
    module = _module(module)
    pairs = None if cells == "full" else [_pair(cell) for cell in cells]
    resolved = resolve_cells(model.n_layers, pairs=pairs)
    prompts = {"source": encode(model.tokenizer, source), "target": encode(model.tokenizer, target)}
    for name, prompt in prompts.items():
        new_tokens = max_new_tokens if name == "target" else 0
        require_room(prompt, new_tokens, model.context_length, f"{name} prompt")
        _require_vocabulary(prompt, model.text_config.vocab_size, f"{name} prompt")

    acts_LD = capture(model, prompts["source"].token_ids, [module])[module]
    rows = [Row(cell.target_layer, module, acts_LD[cell.source_layer]) for cell in resolved]
    baseline = Row(layer=model.n_layers)
    continuations = decode(
        model, prompts["target"].token_ids, [baseline, *rows], max_new_tokens, rows_per_batch
    )
    first, *others = _generations(model, continuations)
    return TransplantGrid(module, first, dict(zip(resolved, others, strict=True)), model.n_layers)


def _generations(model: Model, continuations: Sequence[tuple[int, ...]]) -> list[Generation]:
    distinct = {
        ids: Generation(
            token_ids=ids,
            text=decode_text(model.tokenizer, ids),
            finish="eos" if ids[-1] in model.eos_token_ids else "length",
        )
        for ids in set(continuations)
    }
    return [distinct[ids] for ids in continuations]


def _pair(cell: tuple[int, int] | Cell) -> tuple[int, int]:
    return (cell.source_layer, cell.target_layer) if isinstance(cell, Cell) else cell


def _module(name: ModuleType | str) -> ModuleType:
    try:
        return ModuleType(name)
    except ValueError as error:
        raise LayerError(unknown("module", str(name), list(ModuleType))) from error


def _require_vocabulary(prompt: Prompt, vocab_size: int, name: str) -> None:
    for token in prompt.token_ids:
        if not 0 <= token < vocab_size:
            raise PromptError(
                f"{name} holds token id {token}; the vocabulary has ids 0 to {vocab_size - 1}"
            )
