"""How often a control's answer is right for the drawn question, whose activation it was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from xtransplant.analysis.outcomes import Bools, Outcomes
from xtransplant.scoring.registry import find_scorers
from xtransplant.store.score_files import scorer_setting
from xtransplant.types import Cell, Finish, Instance, Reply

COLUMNS = ("instance_id", "language", "source_layer", "target_layer")
REPLY = ("text", "finish", "option_logprobs")
MOST_LAYERS = 2**15
"""A number above any layer that the 16-bit columns of a part can hold."""

DrawnVerdicts = Mapping[tuple[str, str, Cell | None], bool]
"""Verdicts by language, instance id and cell (None for the baseline)."""


def drawn_verdicts(control: Outcomes, cells: Collection[Cell]) -> DrawnVerdicts:
    """Judge a control's answers as if the drawn question had been asked.

    The scorer is that of the run, with the drawn question's gold answer instead of the instance's
    own. If answers are options, the drawn gold is the key of an option.

    Args:
        control: run of the control `random_instance`.
        cells: cells to judge; the baseline is judged too.

    Returns:
        Verdicts; none if the parts do not record what was drawn, or if the scorer compares with
        people's answers instead of a gold answer.

    Raises:
        OutputError: a part cannot be read.
        ConfigError: the run's scorer is unknown.
    """
    folder = control.run.folder
    scorer = find_scorers(scorer_setting(folder))[0]
    if scorer.needs == "shares" or not any(control.drawn_gold.tolist()):
        return {}
    asked = {
        (instance.language, instance.id): _as_drawn(instance)
        for instance in folder.read_instances(control.languages)
        if instance.drawn_gold is not None
    }
    table = folder.read_generations_table(control.languages, [*COLUMNS, *REPLY])
    rows = at_cells(table, cells).to_pydict()
    found = {}
    for values in zip(*(rows[name] for name in (*COLUMNS, *REPLY)), strict=True):
        name, language, source, target, *reply = values
        cell = None if source is None else Cell(source, target)
        if instance := asked.get((language, name)):
            found[language, name, cell] = scorer.rule(_reply(reply), instance).correct
    return found


def drawn_answers(
    control: Outcomes, verdicts: DrawnVerdicts, cells: Mapping[str, Cell | None]
) -> Bools | None:
    """Return whether each answer is right for the drawn question, [I]; None if it is not known.

    Args:
        control: some or all instances of the judged run.
        verdicts: result of `drawn_verdicts`.
        cells: cell of each language; None for the baseline.
    """
    keys = [(language, name, cells[language]) for language, name in control.names]
    if not all(key in verdicts for key in keys):
        return None
    return np.array([verdicts[key] for key in keys], dtype=bool)


def at_cells(table: pa.Table, cells: Collection[Cell]) -> pa.Table:
    """Return the rows of some cells and the baselines, which are a small part of a large grid."""
    none = pa.scalar(-1, pa.int16())  # the layers of a baseline
    source, target = (
        table[side].fill_null(none).to_numpy().astype(np.int64)
        for side in ("source_layer", "target_layer")
    )
    wanted = [(-1, -1), *((cell.source_layer, cell.target_layer) for cell in cells)]
    codes = [left * MOST_LAYERS + right for left, right in wanted]
    return table.filter(pa.array(np.isin(source * MOST_LAYERS + target, codes)))


def _as_drawn(instance: Instance) -> Instance:
    return replace(instance, gold=str(instance.drawn_gold), aliases=(), source_gold=None)


def _reply(values: Sequence[Any]) -> Reply:
    text, finish, logprobs = values
    ended: Finish = finish
    return Reply(text, ended, tuple(logprobs) if logprobs else None)
