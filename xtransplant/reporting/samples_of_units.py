"""Languages, and models, as a sample: gains beside the interval that takes them as given."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from xtransplant.analysis.contrasts import average, difference
from xtransplant.analysis.interactions import Gains
from xtransplant.analysis.measures import Measured, measured
from xtransplant.analysis.study import Study
from xtransplant.analysis.unit_samples import LEAST_UNITS, over_units
from xtransplant.reporting.table import Record, TableDefinition
from xtransplant.reporting.table_rows import figure
from xtransplant.store.run_identity import Pairing


def _rows(study: Study) -> Iterator[Record]:
    found = [each for one in study.experiments for each in measured(study, one)]
    for each in found:
        one = each.outcomes
        if len(one.languages) >= LEAST_UNITS:
            of_language = [each.rows_at(one.language == name) for name in one.languages]
            pooled = difference(average(study, one), each.right, one.baseline)[0]
            record = {**study.labels(one), **_facts("languages", each, one.languages)}
            yield {**record, **figure("pooled", pooled), **_over([*map(Gains.of, of_language)])}
    for of_models in _by_model(found):
        models = [each.outcomes.identity.model for each in of_models]
        labels = {**study.labels(of_models[0].outcomes), "model": ", ".join(models)}
        gains = [Gains.of(each) for each in of_models]
        together = Gains.side_by_side(dict(zip(models, gains, strict=True)))
        record = {**labels, **_facts("models", of_models[0], models)}
        yield {**record, **figure("pooled", together.interval()), **_over(gains)}


def _facts(over: str, found: Measured, units: Sequence[str]) -> Record:
    return {"measure": found.measure, "over": over, "units": len(units), "n": len(found.right)}


def _over(units: Sequence[Gains]) -> Record:
    found = over_units(units)
    return {
        **figure("by_t", found.by_t),
        "p": found.p,
        **figure("random_effects", found.random_effects),
        "between": found.between,
    }


def _by_model(found: Sequence[Measured]) -> Iterator[list[Measured]]:
    """Yield each measure that several models have, one run of each model with the same languages.

    Upper bounds depend on the number of cells, which depends on the model's number of layers; they
    are compared all the same, each model with its own grid.
    """
    groups: dict[Hashable, dict[str, Measured]] = {}
    for each in found:
        identity = each.outcomes.identity
        key = (identity.group(Pairing.MODELS), each.measure, tuple(each.outcomes.languages))
        models = groups.setdefault(key, {})
        other = models.get(identity.model)
        if other is None or len(each.outcomes.cells) > len(other.outcomes.cells):
            models[identity.model] = each
    yield from (list(models.values()) for models in groups.values() if len(models) >= LEAST_UNITS)


UNITS_TABLE = TableDefinition(
    name="languages_and_models",
    title="Gains with languages, or models, as a sample",
    note=(
        "Pooled: macro average; its interval takes the languages and models as given. by_t: the "
        "same mean with Student's t over them; p is its p-value. random_effects: mean of a model "
        "in which each has a true gain of its own; between is the standard deviation of these. "
        "The last two say what to expect of others like these."
    ),
    rows=lambda rows: list(_rows(rows.study)),
    percent=("pooled", "by_t", "random_effects", "between"),
)
