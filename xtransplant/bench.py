"""Speed of the engine beside the oracle and beside the machine's matrix products, as one object."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from xtransplant.bench_prompts import prompt_pairs, read_texts, require_both_fit
from xtransplant.check import module_cells
from xtransplant.config import RunConfig
from xtransplant.engine import oracle
from xtransplant.engine.cost import device_name, model_size, rows_together
from xtransplant.engine.measure import Work, measured, model_matmul_rate
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import TransplantGrid, transplant_all
from xtransplant.engine.unembedding import runs_by_block
from xtransplant.errors import ConfigError
from xtransplant.grid_file import run_cells
from xtransplant.models.cache import OnStep, silent
from xtransplant.models.families import Model
from xtransplant.models.loading import load_model
from xtransplant.models.seq2seq import n_layers
from xtransplant.plan import weights_arguments
from xtransplant.types import Cell, Generation, ModuleType, PromptPair

WARM_UP_CELLS = ((0, 0), (-1, 0), (0, -1))

Asked = tuple[PromptPair, Request]
"""A request, with its prompts as tokens."""
Engine = Callable[[Sequence[Request]], list[TransplantGrid]]
"""The engine with model, new tokens and rows together as the run has them."""


@dataclass(frozen=True)
class BenchSettings:
    """What is measured beside the run's own configuration.

    Attributes:
        source, target: files that hold the prompts; None for the written pair.
        prompt_tokens: length of the target prompt, cut or repeated; None to leave it.
        instances: prompt pairs, made different by a number in front.
        together: every module and one control (the target prompt as its own source) over the same
            prompts, beside the run's one module alone; each has the grid's cells on its side.
        options: also the log-probabilities of the options (1), (2) and (3), beside the grid alone.
        cells_compared: cells that the oracle does as well, of all grids that are measured.
        random_weights: build the model from its configuration.
    """

    source: Path | None = None
    target: Path | None = None
    prompt_tokens: int | None = None
    instances: int = 1
    together: bool = False
    options: bool = False
    cells_compared: int = 64
    random_weights: bool = False


@dataclass(frozen=True)
class Answered:
    """What the engine answered to two prompts."""

    prompts: PromptPair
    grid: TransplantGrid


@dataclass(frozen=True)
class Beside:
    """What is more than the grid alone, and the seconds of both."""

    answered: list[Answered]
    seconds: float
    seconds_alone: float


def run_bench(
    config: RunConfig, settings: BenchSettings, on_step: OnStep = silent
) -> dict[str, Any]:
    """Measure and return the figures; times in seconds unless the name says otherwise.

    `floor_seconds` is the time of all matrix products of all generated tokens at the measured rate,
    as if no rows shared anything. Not-applicable figures are None.

    Raises:
        ConfigError: `dry_run`, which has no effect here.
        DataError: a prompt that cannot be read, or is empty.
        XtransplantError: as `load_model` and `transplant_all`.
    """
    if config.dry_run:
        raise ConfigError("dry_run=true has no effect on bench; leave it out")
    texts = read_texts(settings.source, settings.target)
    model = load_model(
        **weights_arguments(config), random_weights=settings.random_weights, on_step=on_step
    )
    module = ModuleType(config.module)
    cells = run_cells(config.grid, n_layers(model.hf.config, module))
    new_tokens, rows_per_batch = config.decode.max_new_tokens, config.rows_per_batch
    pairs = prompt_pairs(model, texts, settings.instances, settings.prompt_tokens)
    for pair in pairs:
        require_both_fit(model, pair, new_tokens, settings.source, settings.target)
    requests = [Request(pair.source, pair.target, module, cells) for pair in pairs]
    engine = partial(
        transplant_all, model, max_new_tokens=new_tokens, rows_per_batch=rows_per_batch
    )

    on_step("warming up", 0, 0)
    engine([Request(pair.source, pair.target, module, WARM_UP_CELLS) for pair in pairs[:1]])
    n_rows = min(_rows_that_fit(model, new_tokens, rows_per_batch), (len(cells) + 1) * len(pairs))
    rates = [model_matmul_rate(model, n_rows)]
    on_step(f"{len(cells) * len(pairs)} cells by the engine", 0, 0)
    with measured(model) as work:
        grids = engine(requests)
    rates.append(model_matmul_rate(model, n_rows))  # the machine's own speed drifts
    figures: dict[str, Any] = {
        "model": config.model.name,
        "device": device_name(model.device),
        "dtype": config.model.dtype,
        "random_weights": settings.random_weights,
        "module": str(module),
        "instances": len(pairs),
        "source_tokens": len(pairs[0].source.token_ids),
        "prompt_tokens": len(pairs[0].target.token_ids),
        "new_tokens": new_tokens,
        "cells": len(cells) * len(pairs),
        "rows_per_batch": work.rows_per_batch,
        "seconds": work.seconds,
        "ms_per_cell": 1e3 * work.seconds / (len(cells) * len(pairs)),
        "peak_memory_mb": work.peak_bytes and work.peak_bytes / 1e6,
    }
    figures |= _against_matmul(model, work, grids, sum(rates) / len(rates))
    if len(pairs) > 1:
        figures |= _against_one_at_a_time(engine, requests, work, on_step)
    answered = [Answered(pair, grid) for pair, grid in zip(pairs, grids, strict=True)]
    if settings.together:
        on_step("all modules and a control together", 0, 0)
        more = _all_modules_and_a_control(model, pairs, config)
        beside = _beside(model, engine, more, requests, work)
        figures |= {
            "grids_together": len(more) // len(pairs),
            "seconds_together": beside.seconds,
            "cost_over_one_module": beside.seconds / beside.seconds_alone,
        }
        answered += beside.answered
    if settings.options:
        on_step("with log-probabilities of options", 0, 0)
        beside = _beside(model, engine, _with_options(model, pairs, requests), requests, work)
        figures |= {
            "seconds_with_options": beside.seconds,
            "seconds_without_options": beside.seconds_alone,
            "option_share": beside.seconds / beside.seconds_alone - 1,
        }
        answered += beside.answered
    everything = [(one, cell) for one in answered for cell in one.grid.cells]
    n_compared = min(settings.cells_compared, len(everything))
    sample = random.Random(config.seed).sample(everything, n_compared)
    figures |= _against_oracle(model, sample, new_tokens, on_step)
    figures["speedup"] = (
        figures["oracle_ms_per_cell"] and figures["oracle_ms_per_cell"] / figures["ms_per_cell"]
    )
    return figures


def _rows_that_fit(model: Model, new_tokens: int, rows_per_batch: int | None) -> int:
    by_block = not model.decoder_prompt and runs_by_block(model, logprobs=False)
    return rows_together(
        rows_per_batch,
        model.text_config,
        model.hf.dtype,
        new_tokens,
        model.device,
        by_block=by_block,
    )


def _against_matmul(
    model: Model, work: Work, grids: Sequence[TransplantGrid], rate: float
) -> dict[str, Any]:
    size = model_size(model.hf.config)
    tokens = sum(
        generation.n_tokens for grid in grids for generation in [grid.baseline, *_cells(grid)]
    )
    done = 2.0 * (size.layers * sum(work.rows) / model.n_layers + size.unembedding * work.rows[-1])
    floor = 2.0 * (size.layers + size.unembedding) * tokens / rate
    return {
        "matmul_gflops": rate / 1e9,
        "achieved_gflops": done / work.seconds / 1e9,
        "matmul_parameters": size.layers + size.unembedding,
        "generated_tokens": tokens,
        "floor_seconds": floor,
        "floor_ratio": work.seconds / floor,
        "layer_row_share": sum(work.rows) / (model.n_layers * tokens),
        "distinct_texts": len({generation.text for grid in grids for generation in _cells(grid)}),
    }


def _against_oracle(
    model: Model, sample: Sequence[tuple[Answered, Cell]], new_tokens: int, on_step: OnStep
) -> dict[str, Any]:
    """Run a sample of cells naively, their source activations read beforehand."""
    equal, seconds = 0, 0.0
    for number, (one, cell) in enumerate(sample):
        on_step("cells by the oracle", number, len(sample))
        module, layer = one.grid.module, cell.source_layer
        activation_D = oracle.capture_layer(model, one.prompts.source.token_ids, module, layer)
        start = time.perf_counter()
        tokens = oracle.generate(
            model,
            one.prompts.target.token_ids,
            new_tokens,
            module,
            cell.target_layer,
            activation_D,
        )
        seconds += time.perf_counter() - start
        equal += tokens == one.grid.generations[cell].token_ids
    return {
        "oracle_ms_per_cell": 1e3 * seconds / len(sample) if sample else None,
        "cells_compared": len(sample),
        "cells_equal": equal,
    }


def _against_one_at_a_time(
    engine: Engine, requests: Sequence[Request], work: Work, on_step: OnStep
) -> dict[str, Any]:
    """Run a few instances by the same engine, each in a call of its own."""
    sample = requests[:: max(1, len(requests) // 20)]
    start = time.perf_counter()
    for number, request in enumerate(sample):
        on_step("one instance at a time", number, len(sample))
        engine([request])
    alone = (time.perf_counter() - start) / len(sample)
    return {
        "seconds_per_instance_alone": alone,
        "speed_over_one_at_a_time": alone * len(requests) / work.seconds,
    }


def _all_modules_and_a_control(
    model: Model, pairs: Sequence[PromptPair], config: RunConfig
) -> list[Asked]:
    return [
        (
            PromptPair(source, pair.target),
            Request(source, pair.target, module, module_cells(model, config.grid, module)),
        )
        for pair in pairs
        for module, source in [
            *((module, pair.source) for module in model.module_types),
            (ModuleType.MLP, pair.target),
        ]
    ]


def _with_options(
    model: Model, pairs: Sequence[PromptPair], requests: Sequence[Request]
) -> list[Asked]:
    options = [model.tokenizer(f" ({k})", add_special_tokens=False)["input_ids"] for k in (1, 2, 3)]
    return [
        (pair, replace(request, options=options))
        for pair, request in zip(pairs, requests, strict=True)
    ]


def _beside(
    model: Model,
    engine: Engine,
    more: Sequence[Asked],
    requests: Sequence[Request],
    alone: Work,
) -> Beside:
    """Measure what is more, and the grid alone once more: the machine's own speed drifts."""
    with measured(model) as work:
        grids = engine([request for _, request in more])
    with measured(model) as alone_again:
        engine(requests)
    answered = [Answered(pair, grid) for (pair, _), grid in zip(more, grids, strict=True)]
    return Beside(answered, work.seconds, (alone.seconds + alone_again.seconds) / 2)


def _cells(grid: TransplantGrid) -> list[Generation]:
    return list(grid.generations.values())
