"""`xtransplant bench`: the engine's speed, compared with the oracle and with matrix products."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from xtransplant.commands.bench_prompts import prompt_pairs, read_texts, require_both_fit
from xtransplant.commands.check import (
    module_cells,
    require_prompt_is_enough,
    writable_modules,
)
from xtransplant.config.grid_file import run_cells
from xtransplant.config.intervention import Intervention
from xtransplant.config.schema import RunConfig
from xtransplant.engine import oracle
from xtransplant.engine.flops import model_size
from xtransplant.engine.load_model import load_model
from xtransplant.engine.memory_budget import rows_that_fit
from xtransplant.engine.profiling import Work, device_name, measured, model_matmul_rate
from xtransplant.engine.request import Request
from xtransplant.engine.transplant import TransplantGrid, transplant_all
from xtransplant.engine.unembedding import runs_by_block
from xtransplant.errors import ConfigError
from xtransplant.models.architecture import n_layers
from xtransplant.models.families import Model
from xtransplant.progress import OnStep, silent
from xtransplant.runner.plan import weights_arguments
from xtransplant.types import Cell, Generation, ModuleType, PromptPair

WARM_UP_CELLS = ((0, 0), (-1, 0), (0, -1))


@dataclass(frozen=True)
class BenchSettings:
    """The measurements to make, in addition to the run's configuration.

    Attributes:
        source: file with the source prompt; None for the built-in one.
        target: file with the target prompt; None for the built-in one.
        prompt_tokens: length to which the target prompt is cut or repeated; None to leave it.
        instances: number of prompt pairs; they differ by a number at their start.
        together: whether to measure also, in one call, every module and one control (the target
            prompt as its own source) over the same prompts. Each has the cells of the grid that its
            layers allow.
        options: whether to measure also the grid with the log-probabilities of the options (1), (2)
            and (3).
        cells_compared: number of cells, of all measured grids, that the oracle computes too.
        random_weights: whether to build the model from its configuration, without a checkpoint.
    """

    source: Path | None = None
    target: Path | None = None
    prompt_tokens: int | None = None
    instances: int = 1
    together: bool = False
    options: bool = False
    cells_compared: int = 64
    random_weights: bool = False


def run_bench(
    config: RunConfig, settings: BenchSettings, on_step: OnStep = silent
) -> dict[str, Any]:
    """Measure, and return the results by name.

    Times are in seconds unless a name says otherwise. `floor_seconds` is the time that the matrix
    products of all generated tokens would take at the measured speed if rows shared nothing. A
    value that does not apply is None.

    Args:
        config: run whose model and grid are used.
        settings: measurements to make.
        on_step: progress callback.

    Raises:
        ConfigError: `dry_run` is set, which has no effect here.
        DataError: a prompt file cannot be read, or is empty.
        XtransplantError: as for `load_model` and `transplant_all`.
    """
    if config.dry_run:
        raise ConfigError("dry_run=true has no effect on bench; leave it out")
    require_prompt_is_enough(config.intervention.vector, "bench")
    texts = read_texts(settings.source, settings.target)
    model = load_model(
        **weights_arguments(config), random_weights=settings.random_weights, on_step=on_step
    )
    pairs = prompt_pairs(model, texts, settings.instances, settings.prompt_tokens)
    for pair in pairs:
        require_both_fit(
            model, pair, config.decode.max_new_tokens, settings.source, settings.target
        )
    bench = _Bench(model, pairs, config, on_step)
    bench.grid_alone(random_weights=settings.random_weights)
    if len(pairs) > 1:
        bench.one_at_a_time()
    if settings.together:
        bench.all_modules_and_a_control()
    if settings.options:
        bench.with_options()
    bench.by_the_oracle(settings.cells_compared)
    return bench.figures


class _Bench:
    """Makes the measurements; each method adds its results to `figures` and `answers`."""

    def __init__(
        self, model: Model, pairs: Sequence[PromptPair], config: RunConfig, on_step: OnStep
    ) -> None:
        self.model, self.pairs, self.config, self.on_step = model, pairs, config, on_step
        self.module = ModuleType(config.module)
        self.intervention = Intervention(**asdict(config.intervention))
        self.cells = run_cells(config.grid, n_layers(model.hf.config, self.module))
        self.figures: dict[str, Any] = {}
        self.answers: list[tuple[PromptPair, TransplantGrid]] = []
        self.alone = Work(rows=[])

    def grid_alone(self, *, random_weights: bool) -> None:
        """Measure the run's grid, and the speed of matrix products before and after it."""
        requests = self._requests(self.cells)
        self.on_step("warming up", 0, 0)
        self._transplant(self._requests(WARM_UP_CELLS)[:1])
        n_rows = min(self._rows_that_fit(), (len(self.cells) + 1) * len(self.pairs))
        rates = [model_matmul_rate(self.model, n_rows)]
        self.on_step(f"{len(self.cells) * len(self.pairs)} cells by the engine", 0, 0)
        with measured(self.model) as self.alone:
            grids = self._transplant(requests)
        rates.append(model_matmul_rate(self.model, n_rows))  # the machine's speed drifts
        self.answers += zip(self.pairs, grids, strict=True)
        self.figures = {
            "model": self.config.model.name,
            "device": device_name(self.model.device),
            "dtype": self.config.model.dtype,
            "random_weights": random_weights,
            "module": str(self.module),
            "intervention": asdict(self.intervention),
            "instances": len(self.pairs),
            "source_tokens": len(self.pairs[0].source.token_ids),
            "prompt_tokens": len(self.pairs[0].target.token_ids),
            "new_tokens": self.config.decode.max_new_tokens,
            "cells": len(self.cells) * len(self.pairs),
            "rows_per_batch": self.alone.rows_per_batch,
            "seconds": self.alone.seconds,
            "ms_per_cell": 1e3 * self.alone.seconds / (len(self.cells) * len(self.pairs)),
            "peak_memory_mb": self.alone.peak_bytes and self.alone.peak_bytes / 1e6,
            **_against_matmul(self.model, self.alone, grids, sum(rates) / len(rates)),
        }

    def one_at_a_time(self) -> None:
        """Measure some of the instances, each in a separate call."""
        requests = self._requests(self.cells)
        sample = requests[:: max(1, len(requests) // 20)]
        start = time.perf_counter()
        for number, request in enumerate(sample):
            self.on_step("one instance at a time", number, len(sample))
            self._transplant([request])
        seconds = (time.perf_counter() - start) / len(sample)
        self.figures |= {
            "seconds_per_instance_alone": seconds,
            "speed_over_one_at_a_time": seconds * len(requests) / self.alone.seconds,
        }

    def all_modules_and_a_control(self) -> None:
        """Measure all modules and one control over the same prompts in one call."""
        self.on_step("all modules and a control together", 0, 0)
        modules = writable_modules(self.model, self.intervention)
        beside = [
            *((module, pair) for pair in self.pairs for module in modules),
            *((ModuleType.MLP, PromptPair(pair.target, pair.target)) for pair in self.pairs),
        ]
        requests = [
            Request(
                pair.source,
                pair.target,
                module,
                module_cells(self.model, self.config.grid, module),
                intervention=self.intervention,
            )
            for module, pair in beside
        ]
        seconds, alone = self._beside([pair for _, pair in beside], requests)
        self.figures |= {
            "grids_together": len(requests) // len(self.pairs),
            "seconds_together": seconds,
            "cost_over_one_module": seconds / alone,
        }

    def with_options(self) -> None:
        """Measure the grid with the log-probabilities of three options."""
        self.on_step("with log-probabilities of options", 0, 0)
        options = [
            self.model.tokenizer(f" ({k})", add_special_tokens=False)["input_ids"]
            for k in (1, 2, 3)
        ]
        asked = [replace(request, options=options) for request in self._requests(self.cells)]
        seconds, alone = self._beside(self.pairs, asked)
        self.figures |= {
            "seconds_with_options": seconds,
            "seconds_without_options": alone,
            "option_share": seconds / alone - 1,
        }

    def by_the_oracle(self, n_cells: int) -> None:
        """Measure a sample of all cells with the oracle; the time of capturing is not included."""
        everything = [(pair, grid, cell) for pair, grid in self.answers for cell in grid.cells]
        sample = random.Random(self.config.seed).sample(everything, min(n_cells, len(everything)))
        equal, seconds = 0, 0.0
        for number, (pair, grid, cell) in enumerate(sample):
            self.on_step("cells by the oracle", number, len(sample))
            activation = oracle.capture_layer(
                self.model, pair.source.token_ids, grid.module, cell.source_layer
            )
            write = oracle.Write(grid.module, cell.target_layer, activation, self.intervention)
            start = time.perf_counter()
            tokens = oracle.generate(
                self.model,
                pair.target.token_ids,
                self.config.decode.max_new_tokens,
                write,
            )
            seconds += time.perf_counter() - start
            equal += tokens == grid.generations[cell].token_ids
        oracle_ms = 1e3 * seconds / len(sample) if sample else None
        self.figures |= {
            "oracle_ms_per_cell": oracle_ms,
            "cells_compared": len(sample),
            "cells_equal": equal,
            "speedup": oracle_ms and oracle_ms / self.figures["ms_per_cell"],
        }

    def _requests(self, cells: Sequence[Cell | tuple[int, int]]) -> list[Request]:
        return [
            Request(pair.source, pair.target, self.module, cells, intervention=self.intervention)
            for pair in self.pairs
        ]

    def _transplant(self, requests: Sequence[Request]) -> list[TransplantGrid]:
        new_tokens, rows_per_batch = self.config.decode.max_new_tokens, self.config.rows_per_batch
        return transplant_all(self.model, requests, new_tokens, rows_per_batch)

    def _beside(
        self, pairs: Sequence[PromptPair], requests: Sequence[Request]
    ) -> tuple[float, float]:
        """Measure requests, and the grid alone again, because the machine's speed drifts.

        Returns:
            Seconds of the requests, and mean seconds of the grid alone.
        """
        with measured(self.model) as work:
            grids = self._transplant(requests)
        with measured(self.model) as alone_again:
            self._transplant(self._requests(self.cells))
        self.answers += zip(pairs, grids, strict=True)
        return work.seconds, (self.alone.seconds + alone_again.seconds) / 2

    def _rows_that_fit(self) -> int:
        model = self.model
        return self.config.rows_per_batch or rows_that_fit(
            model.text_config,
            model.hf.dtype,
            model.device,
            n_tokens=self.config.decode.max_new_tokens,
            by_block=not model.decoder_prompt and runs_by_block(model, logprobs=False),
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


def _cells(grid: TransplantGrid) -> list[Generation]:
    return list(grid.generations.values())
