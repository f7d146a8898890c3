"""`xtransplant similarity`: how alike the activations of one question in two languages are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xtransplant.analysis.similarity import similarity
from xtransplant.config.schema import RunConfig
from xtransplant.engine.learned_vectors import activations
from xtransplant.engine.load_model import load_model
from xtransplant.engine.options import Tokens
from xtransplant.errors import ConfigError, DataError
from xtransplant.models.families import Model
from xtransplant.reporting.similarity import write_similarity
from xtransplant.runner.plan import make_plan, weights_arguments
from xtransplant.terminal import Console
from xtransplant.types import Instance, ModuleType, Part, PromptPair

HEADINGS = ("language", "module", "layer", "same question", "other questions", "nearest is same")


def run_similarity(
    config: RunConfig, console: Console, folder: Path, modules: Sequence[ModuleType] = ()
) -> None:
    """Compare the prompts of a run in two languages, layer by layer; each is read once.

    Args:
        config: run whose model, task, split, languages and pivot are used.
        console: the terminal.
        folder: where parquet, table and figure go.
        modules: modules to compare; if none are given, all that the model has.

    Raises:
        ConfigError: a control, which would put other questions in the place of the run's.
        DataError: a language with fewer than two questions.
        XtransplantError: as `load_model` and `capture`.
    """
    if config.control != "none":
        raise ConfigError(
            f"control={config.control} has no effect on similarity, which compares the questions "
            "themselves; leave it out"
        )
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
        model = load_model(**weights_arguments(config), on_step=on_step)
        rows = list(_rows(config, plan.parts, model, modules))
    console.table(HEADINGS, [_line(row) for row in _best(rows)])
    console.info("of each language and module, the layer where most nearest neighbours are right")
    title = f"{config.task.name} ({config.split}), {config.model.name}"
    files = list(write_similarity(rows, title, folder))
    console.write(f"{len(files)} files: {folder}")


def _rows(
    config: RunConfig, parts: Sequence[Part], model: Model, modules: Sequence[ModuleType]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each language, module and layer."""
    pairs: dict[str, list[tuple[Instance, PromptPair]]] = {}
    for part in parts:
        pairs.setdefault(part.language, []).extend(zip(part.instances, part.prompts, strict=True))
    sides = {language: [_sides(*pair) for pair in some] for language, some in pairs.items()}
    prompts = list(dict.fromkeys(one for some in sides.values() for pair in some for one in pair))
    place = {prompt: number for number, prompt in enumerate(prompts)}
    wanted = list(modules) or [kind for kind in model.module_types if kind != "attn_mlp"]
    found = activations(model, wanted, prompts)
    for language, some in sides.items():
        if len(some) < 2:
            raise DataError(
                f"language {language!r} has {len(some)} question; similarity needs two or more"
            )
        of_pivot, own = ([place[pair[side]] for pair in some] for side in (0, 1))
        for module in wanted:
            for layer, there in enumerate(model.modules(module)):
                if not there:
                    continue
                acts_BD = found[module][:, layer].reshape(len(prompts), -1)
                yield {
                    **{"task": config.task.name, "split": config.split},
                    **{"model": config.model.name, "pivot": config.pivot or config.task.pivot},
                    **{"language": language, "module": str(module), "layer": layer},
                    **{"n": len(some), **asdict(similarity(acts_BD[of_pivot], acts_BD[own]))},
                }


def _sides(instance: Instance, prompts: PromptPair) -> tuple[Tokens, Tokens]:
    """Return the prompt in the pivot and the one in the instance's language."""
    source, target = prompts.source.token_ids, prompts.target.token_ids
    return (source, target) if instance.target_language == instance.language else (target, source)


def _best(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return of each language and module the layer with the most right nearest neighbours."""
    best: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        name = row["language"], row["module"]
        if name not in best or row["nearest_is_same"] > best[name]["nearest_is_same"]:
            best[name] = row
    return list(best.values())


def _line(row: Mapping[str, Any]) -> tuple[str, ...]:
    figures = (f"{row[name]:.2f}" for name in ("same_question", "other_questions"))
    share = f"{100 * row['nearest_is_same']:.1f} %"
    return row["language"], row["module"], str(row["layer"]), *figures, share
