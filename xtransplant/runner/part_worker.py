"""Computation of the rows of a run's parts with the loaded model."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from xtransplant.config.intervention import Intervention
from xtransplant.engine.failures import machine_failures
from xtransplant.engine.learned_vectors import mean_of_others
from xtransplant.engine.load_model import load_model
from xtransplant.engine.memory_budget import rows_that_fit
from xtransplant.engine.model_cache import state_bytes
from xtransplant.engine.profiling import measured
from xtransplant.engine.request import Request
from xtransplant.engine.run_cost import part_cost
from xtransplant.engine.sampling import Sampling
from xtransplant.engine.transplant import TransplantGrid, transplant_all
from xtransplant.progress import OnStep, RunProgress
from xtransplant.prompts.tokenise import encode_options
from xtransplant.runner.learned import cluster_of, learned_sums
from xtransplant.runner.plan import Plan, weights_arguments
from xtransplant.runner.stopping import require_none
from xtransplant.scoring.judging import judge
from xtransplant.scoring.registry import find_scorers
from xtransplant.store.cluster_sums import ClusterSums
from xtransplant.store.columns import Row, option_draw
from xtransplant.store.part_names import part_name
from xtransplant.tasks.controls import engine_seeds
from xtransplant.types import Instance, ModuleType, Part, PromptPair, Reply


class PartWorker:
    """A loaded model that computes the rows of a run's parts.

    Attributes:
        model: loaded model.
        load_seconds: time that loading took.
        rows_per_batch: maximum number of rows that went through the model at once so far, including
            beginnings of options; 0 before the first part.
    """

    def __init__(self, plan: Plan, on_step: OnStep, say: Callable[[str], None]) -> None:
        self._plan, self._say = plan, say
        self._sums: dict[str, ClusterSums] = {}
        self._intervention = Intervention(**asdict(plan.config.intervention))
        self._scorers = find_scorers(plan.config.task.scorer)
        start = time.monotonic()
        self.model = load_model(**weights_arguments(plan.config), on_step=on_step)
        self.load_seconds = time.monotonic() - start
        self.rows_per_batch = 0
        self._rows_that_fit = plan.config.rows_per_batch or rows_that_fit(
            self.model.text_config,
            self.model.hf.dtype,
            self.model.device,
            n_tokens=plan.config.decode.max_new_tokens,
            state_bytes=state_bytes(self.model),
            by_block=self.model.device.type == "cpu",
        )

    def compute(
        self, part: Part, progress: RunProgress
    ) -> tuple[list[Row], dict[str, float | None]]:
        """Return the rows of a part, and its cost."""
        plan, config = self._plan, self._plan.config
        with (
            machine_failures(f"part {part_name(part.language, part.block)}"),
            measured(self.model) as work,
        ):
            rows = self._scored(part.instances, self._grids(part, progress))
        self.rows_per_batch = max(self.rows_per_batch, work.rows_per_batch)
        cost = part_cost(
            work,
            plan.model_config,
            len(self.model.modules(ModuleType(config.module))),
            plan.costed_cells,
            plan.token_counts(part.prompts),
            config.decode.max_new_tokens,
            self._intervention,
        )
        return rows, cost

    def _grids(self, part: Part, progress: RunProgress) -> list[TransplantGrid]:
        """Return the grid of each instance; a signal can stop the work after every batch."""
        progress.set_language(part.language)
        config, n_cells = self._plan.config, len(self._plan.cells)
        n_together = max(1, self._rows_that_fit // (n_cells + 1))
        self._learn(part.language)
        requests = list(map(self._request, part.instances, part.prompts))
        grids: list[TransplantGrid] = []
        for start in range(0, len(requests), n_together):
            require_none()
            batch = requests[start : start + n_together]
            grids += transplant_all(
                self.model, batch, config.decode.max_new_tokens, config.rows_per_batch
            )
            progress.advance(len(batch) * max(1, n_cells))
        return grids

    def _learn(self, language: str) -> None:
        """Read the vectors of a language, or make them, if the run learns any."""
        plan = self._plan
        if plan.learned and language not in self._sums:
            root, module = Path(plan.config.output_root), ModuleType(plan.config.module)
            lesson = plan.learned.lessons[language]
            self._sums[language] = learned_sums(root, lesson, self.model, module, self._say)

    def _request(self, instance: Instance, prompts: PromptPair) -> Request:
        config = self._plan.config
        markers = [option.marker for option in instance.options]
        sums = self._sums.get(instance.language)
        return Request(
            mean_of_others(sums, cluster_of(instance)) if sums else prompts.source,
            prompts.target,
            config.module,
            self._plan.cells or "none",
            encode_options(self.model.tokenizer, prompts.target, markers),
            name=f"instance {instance.id} ({instance.language})",
            sampling=_sampling(instance, config.decode.temperature),
            intervention=self._intervention,
            **engine_seeds(config.control, instance, config.seed),
        )

    def _scored(self, instances: Sequence[Instance], grids: Sequence[TransplantGrid]) -> list[Row]:
        """Return the rows of a part: for each instance, the baseline, then a row for each cell."""
        rows = [
            (instance, cell, generation)
            for instance, grid in zip(instances, grids, strict=True)
            for cell, generation in [(None, grid.baseline), *grid.generations.items()]
        ]
        replies = [
            (one, Reply(g.text, g.finish, g.option_logprobs, option_draw(one, cell)))
            for one, cell, g in rows
        ]
        verdicts = {scorer.label: judge(scorer, replies) for scorer in self._scorers}
        return [
            Row(*row, {label: of[place] for label, of in verdicts.items()})
            for place, row in enumerate(rows)
        ]


def _sampling(instance: Instance, temperature: float) -> Sampling | None:
    """Return how the control `samples` draws for an instance, None in other runs."""
    if instance.draw_seed is None:
        return None
    return Sampling(instance.draw_seed, temperature)
