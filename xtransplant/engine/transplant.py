"""The public calls, which transplant a module between two prompts at a grid of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import index
from typing import TYPE_CHECKING, Literal, SupportsIndex

from xtransplant.config.grid import resolve_cells
from xtransplant.config.intervention import TRANSPLANT, Intervention
from xtransplant.engine.capture import capture, noise_like, random_direction
from xtransplant.engine.decode import Target, decode
from xtransplant.engine.options import Tokens
from xtransplant.engine.request import Request, Resolved
from xtransplant.engine.rows import Continuation, Row
from xtransplant.engine.sampling import Draws
from xtransplant.errors import ConfigError, LayerError, ModelError
from xtransplant.models.families import Model
from xtransplant.prompts.tokenise import decode_text
from xtransplant.types import Cell, Generation, ModuleType, Prompt

if TYPE_CHECKING:
    import pandas as pd
    import torch


@dataclass(frozen=True)
class TransplantGrid:
    """The continuations of one target prompt: the baseline, and one for each cell.

    Attributes:
        module: module that was transplanted.
        baseline: continuation of the target prompt without a transplant.
        generations: continuation of each cell, in the given order of the cells.
        n_layers: number N of layers.
    """

    module: ModuleType
    baseline: Generation
    generations: Mapping[Cell, Generation]
    n_layers: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the grid, in the given order, each once."""
        return tuple(self.generations)

    def generation(self, source_layer: int, target_layer: int) -> Generation:
        """Return one cell's continuation; negative layers count from the end.

        Raises:
            LayerError: the layer does not exist, or the cell is not in this grid.
        """
        (cell,) = resolve_cells(self.n_layers, pairs=[(source_layer, target_layer)])
        if cell not in self.generations:
            raise LayerError(
                f"cell {source_layer},{target_layer} is not in this grid of "
                f"{len(self.generations)} cells; see .cells"
            )
        return self.generations[cell]

    def text(self, source_layer: int, target_layer: int) -> str:
        """Return one cell's text; errors are as for `generation`."""
        return self.generation(source_layer, target_layer).text

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row per cell, after a row for the baseline with null layers.

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


def transplant(  # noqa: PLR0913  # what one grid is, in one call
    model: Model,
    source: str | Sequence[int] | Prompt | torch.Tensor,
    target: str | Sequence[int] | Prompt,
    module: ModuleType | str = ModuleType.MLP,
    cells: Literal["full", "none"] | Sequence[tuple[int, int] | Cell] = "full",
    max_new_tokens: int = 20,
    rows_per_batch: int | None = None,
    intervention: Intervention = TRANSPLANT,
) -> TransplantGrid:
    """Answer the target prompt with activations of the source prompt, once for each cell.

    For a cell (i, j), the module's activation at layer i and the last source token replaces its
    output at layer j and the last target token, in the pass that yields the first new token.
    Decoding is greedy (arXiv 2412.12686, section 2). Another `intervention` adds or mixes, or
    writes at every step.

    Args:
        model: model from `load_model`.
        source: prompt whose activations are taken, as text or token ids; or the vectors
            themselves, as a tensor [N, D] with one for each layer (of "attn_mlp" [N, 2, D]).
        target: prompt that is answered, as text or token ids.
        module: "attn", "mlp", "block", "attn_mlp" or "attn_residual"; in encoder-decoder models
            also "cross_attn" or "encoder_block".
        cells: "full" for all N² pairs, "none" for the baseline alone, or (source_layer,
            target_layer) pairs. Negative layers count from the end; repeated cells are computed
            once.
        max_new_tokens: most tokens generated per cell.
        rows_per_batch: number of cells that decode together; it changes memory and speed, not
            results. None chooses a number that fits.
        intervention: what is made of the activations, and in which passes it is put.

    Returns:
        The baseline and the continuation of every cell.

    Raises:
        LayerError: a layer outside 0..N-1, no cells, an unknown module, or vectors of a shape that
            does not fit.
        PromptError: an empty or one-token prompt, a prompt that exceeds the model's context, or a
            token id outside the vocabulary.
        NumericsError: NaN or infinite activations.
        ConfigError: `max_new_tokens` or `rows_per_batch` is not an integer or is below 1; the
            intervention does not go with the module, or needs vectors that are not given.
        ModelError: `model` is not a loaded model.
    """
    request = Request(source, target, module, cells, intervention=intervention)
    return transplant_all(model, [request], max_new_tokens, rows_per_batch)[0]


def transplant_all(
    model: Model,
    requests: Sequence[Request],
    max_new_tokens: int = 20,
    rows_per_batch: int | None = None,
) -> list[TransplantGrid]:
    """Answer many requests; requests with the same source or target prompt share its computation.

    Several modules, source languages or controls with one target prompt share its prefix, its trunk
    and its baseline. Small grids with different target prompts share batches. The tokens are
    exactly those of one `transplant` call per request.

    Args:
        model: model from `load_model`.
        requests: grids to compute.
        max_new_tokens: maximum number of new tokens, as for `transplant`.
        rows_per_batch: number of cells per batch, as for `transplant`.

    Returns:
        The result of each request, in the order of `requests`.

    Raises:
        LayerError, PromptError, NumericsError, ConfigError, ModelError: as for `transplant`; a
            message about one request starts with its name.
    """
    if not isinstance(model, Model):
        raise ModelError(f"{model!r:.60} is not a loaded model; pass the result of load_model")
    if not requests:
        return []
    _require_positive("max_new_tokens", max_new_tokens)
    if rows_per_batch is not None:
        _require_positive("rows_per_batch", rows_per_batch)
    grids = [Resolved.of(model, request, max_new_tokens) for request in requests]
    names = {grid.target: f"{grid.name}target prompt" for grid in reversed(grids)}
    number = {target: k for k, target in enumerate(dict.fromkeys(grid.target for grid in grids))}
    baselines = [Row(model.n_layers, target=k) for k in number.values()]
    written = _rows(model, grids, number, _capture_sources(model, grids))
    continuations = decode(
        model,
        [Target(*target, name=names[target]) for target in number],
        [*baselines, *written],
        max_new_tokens,
        rows_per_batch,
    )
    generations = iter(_generations(model, continuations))
    untouched = list(islice(generations, len(baselines)))
    return [
        TransplantGrid(
            grid.module,
            untouched[number[grid.target]],
            dict(zip(grid.cells, islice(generations, len(grid.cells)), strict=True)),
            len(model.modules(grid.module)),
        )
        for grid in grids
    ]


def _rows(
    model: Model,
    grids: Sequence[Resolved],
    number: Mapping[tuple[Tokens, tuple[Tokens, ...]], int],
    acts: Mapping[Tokens, Mapping[ModuleType, torch.Tensor]],
) -> list[Row]:
    """Return a row for each cell of each grid.

    Args:
        model: any supported model.
        grids: checked requests.
        number: number of each target prompt.
        acts: activations of each source prompt and module, [L, D] or [L, M, D].
    """
    rows: list[Row] = []
    for grid in grids:
        target = number[grid.target]
        if sampling := grid.sampling:
            tries = (Draws(sampling, cell) for cell in grid.cells)
            rows += [Row(model.n_layers, target=target, draws=draws) for draws in tries]
            continue
        if not grid.cells:
            continue
        vectors_LD = acts[grid.source][grid.module] if grid.given is None else grid.given
        if grid.noise_seed is not None:
            vectors_LD = noise_like(vectors_LD, grid.noise_seed)
        rows += [_written_row(grid, cell, vectors_LD, target) for cell in grid.cells]
    return rows


def _written_row(grid: Resolved, cell: Cell, vectors_LD: torch.Tensor, target: int) -> Row:
    vector_D = vectors_LD[cell.source_layer]
    direction_D = None
    if grid.displacement_seed is not None:
        direction_D = random_direction(vector_D, grid.displacement_seed, cell)
    return Row(cell.target_layer, grid.module, vector_D, target, grid.intervention, direction_D)


def _capture_sources(
    model: Model, grids: Sequence[Resolved]
) -> dict[Tokens, dict[ModuleType, torch.Tensor]]:
    """Read each source prompt once, up to the deepest layer that any grid takes from."""
    reading = [grid for grid in grids if grid.reads_source]
    if not reading:
        return {}
    names = {grid.source: f"{grid.name}source prompt" for grid in reversed(reading)}
    modules = dict.fromkeys(grid.module for grid in reading)
    n_layers = 1 + max(cell.source_layer for grid in reading for cell in grid.cells)
    acts = capture(model, list(names), modules, n_layers, list(names.values()))
    return {
        source: {module: acts[module][number] for module in modules}
        for number, source in enumerate(names)
    }


def _generations(model: Model, continuations: Sequence[Continuation]) -> list[Generation]:
    texts = {
        ids: decode_text(model.tokenizer, ids)
        for ids in {continuation.token_ids for continuation in continuations}
    }
    return [
        Generation(
            token_ids=continuation.token_ids,
            text=texts[continuation.token_ids],
            finish="eos" if continuation.token_ids[-1] in model.eos_token_ids else "length",
            option_logprobs=continuation.option_logprobs,
        )
        for continuation in continuations
    ]


def _require_positive(name: str, value: int) -> None:
    if not isinstance(value, SupportsIndex):
        raise ConfigError(f"{name} {value!r}; allowed: an integer, 1 or more")
    if index(value) < 1:
        raise ConfigError(f"{name} {value}; allowed: 1 or more; nearest match: 1")
