"""Runs made of tables of verdicts, written by the store as the runner does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xtransplant.config.schema import RunConfig
from xtransplant.runner.views import aggregate_run
from xtransplant.store.columns import Row
from xtransplant.store.run_folder import RunFolder
from xtransplant.types import Cell, Generation, Instance, Score

N_LAYERS = 2
CELLS = [Cell(0, 0), Cell(0, 1), Cell(1, 0), Cell(1, 1)]


def config(**changes: Any) -> dict[str, Any]:
    """A run's configuration; a change such as `model_dtype=` goes into its section."""
    made = RunConfig()
    made.model.name, made.model.id = "tiny", "org/tiny"
    made.task.name, made.task.loader, made.task.scorer = "quiz", "quiz", "exact_match"
    made.task.splits, made.task.languages, made.task.direction = ["dev", "test"], ["fr"], "en_to_x"
    made.grid.name, made.split, made.direction = "full", "dev", "en_to_x"
    fields = asdict(made)
    for key, value in changes.items():
        section, _, name = key.partition("_")
        if isinstance(fields.get(section), dict):
            fields[section][name] = value
        else:
            fields[key] = value
    return fields


def write_run(
    root: Path,
    verdicts: Mapping[str, Sequence[str]],
    cells: Sequence[Cell] = CELLS,
    n_layers: int = N_LAYERS,
    gold: str = "g",
    source: str = "Question",
    clusters: Sequence[str] = (),
    first: int = 0,
    scorer: str = "exact_match-1",
    drawn: Sequence[str] = (),
    **changes: Any,
) -> Path:
    """Write a run; return its folder.

    Args:
        root: the output root.
        verdicts: by language, of each instance the verdict on the baseline and on each cell:
            "1" right, "0" wrong, "x" wrong and cut off, "-" nothing to be read.
        cells: of the grid.
        n_layers: of the model.
        gold: the right answer.
        source: the source prompts' beginning.
        clusters: of the instances.
        first: number of the first instance; instances of the same number are the same.
        scorer: of the verdicts, with its version.
        drawn: gold answers of the questions that the control drew.
        changes: of the configuration.
    """
    settings = config(**changes)
    names = [settings["task"]["name"], settings["model"]["name"], settings["module"]]
    key = f"{settings['split']}-{settings['control']}-{len(cells)}-{settings['seed']}"
    folder = RunFolder(root.joinpath(*names, key), key)
    folder.open_or_create(settings, dict.fromkeys(verdicts, 1))
    with folder.running():
        for language, lines in verdicts.items():
            rows = [
                Row(
                    Instance(
                        id=f"q{number}",
                        language=language,
                        source_language="en",
                        target_language=language,
                        source=f"{source} {number}?",
                        target=f"{language} {number} ?",
                        gold=gold,
                        cluster=clusters[number - first] if clusters else "",
                        drawn_id="another" if drawn else None,
                        drawn_gold=drawn[number - first] if drawn else None,
                    ),
                    cell,
                    Generation((5, 2), verdict, "length" if verdict == "x" else "eos"),
                    {scorer: Score(None if verdict == "-" else verdict, verdict == "1")},
                )
                for number, line in enumerate(lines, first)
                for cell, verdict in zip([None, *cells], line, strict=True)
            ]
            folder.write_part(language, 0, settings["control"], rows)
        n_instances = sum(len(lines) for lines in verdicts.values())
        folder.update_manifest(
            cost={
                **{"n_layers": n_layers, "n_instances": n_instances, "seconds": 3.0 * n_instances},
                **{"peak_bytes": 2**20 * n_instances, "source_tokens": 7 * n_instances},
                **{"target_tokens": 9 * n_instances, "baseline_flops": 1e9 * n_instances},
                **{"layer_parameters": 200, "unembedding_parameters": 50},
                **{"grid_flops": 5e9 * n_instances},
            }
        )
        aggregate_run(folder)
    return folder.path
