"""What T0 shows, in sentences: what a reader of a report or of the page reads first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xtransplant.analysis.study import Study
from xtransplant.config import primary_family as declared
from xtransplant.reporting.t0_primary import ALIKE, GAIN, LOSS, OPEN, T0
from xtransplant.reporting.table import Record, StudyRows

BEFORE, LATER = "the untouched model", "the selected pair"
SIDES = {
    "a": (LATER, BEFORE),
    "b": (LATER, "the mean activation of other questions at the same cell"),
    "c": (LATER, "another question's activation at the same cell"),
    "d": ("at least one cell of the grid (upper bound)", "at least one of as many samples"),
    "e": (f"the vote over the best {declared.N_VOTERS} cells", BEFORE),
    "f": (LATER, "the other method that was best on the selection split"),
}
"""What is compared, in words, by letter."""
CEILING = 0.97
"""An upper bound of samples above this leaves no room in which a bound could be larger."""


def findings(rows: StudyRows) -> list[str]:
    """Return what the primary family shows, cannot show and lacks, one sentence or two a line."""
    families: dict[tuple[str, str], list[Record]] = {}
    for row in rows.of(T0):
        families.setdefault((row["task"], row["model"]), []).append(row)
    if not families:
        return ["T0: no run of preset transplant, asked in the plain way, so nothing is decided."]
    found = [line for family in families.values() for line in _of_family(family)]
    return [*found, *_undeclared(rows.study)]


def _of_family(family: Sequence[Record]) -> Iterator[str]:
    first = family[0]
    module = f", module {first['module']}" if first["module"] else ""
    splits = dict.fromkeys(row["split"] for row in family if row["split"])
    yield (
        f"{first['task']}, {first['model']}{module}: six contrasts that were declared before any "
        f"number (T0, version {declared.VERSION}), averaged over languages; pairs selected on "
        f"{first['selected_on']}, judged on {' and '.join(splits) or 'no other split yet'}."
    )
    yield from (_sentence(row) for row in family)


def _sentence(row: Record) -> str:
    begin, decides = f"({row['letter']})", row["decides"]
    left, right = SIDES[row["letter"]]
    if row["p"] is None:
        kind, _, reason = decides.partition(": ")
        return f"{begin} {kind.capitalize()}, {left} against {right}: {reason}."
    what = f" ({row['compared_with']})" if row["compared_with"] else ""
    figures = (
        f"{left} answers {_percent(row['accuracy'])} % of {row['n']:,} instances, {right}{what} "
        f"{_percent(row['compared'])} %: {_points(row['difference'])} points "
        f"[{_points(row['difference_low'])}, {_points(row['difference_high'])}], "
        f"corrected {_p(row['p_holm'])}."
    )
    return " ".join([begin, f"{_heading(row)}:", figures, *_limits(row)])


def _heading(row: Record) -> str:
    alike = f"Less than {_percent(row['margin'])} points apart"
    decisions = row["decides"].split(", ")
    words = {GAIN: "Gain", LOSS: "Loss", OPEN: "Open", ALIKE: alike}
    return ", but ".join(
        words[each].lower() if n else words[each] for n, each in enumerate(decisions)
    )


def _limits(row: Record) -> Iterator[str]:
    if row["decides"] == OPEN:
        yield (
            f"A gain of {_percent(row['detectable'])} points or more would have been found in 80 % "
            "of such samples; a smaller one may have been missed."
            if row["detectable"] is not None
            else "While as many instances are lost, such a sample finds no gain in 80 % of cases."
        )
    if row["letter"] == "d" and row["compared"] > CEILING:
        yield "The samples leave no room above them, so this bound cannot tell."


def _undeclared(study: Study) -> Iterator[str]:
    """Yield how many runs were started under another version of the family, or under none."""
    found = [one.run.folder.read_manifest().primary_family for one in study.outcomes]
    others = [version for version in found if version != declared.VERSION]
    if others:
        yield (
            f"{len(others)} of {len(found)} runs were started before version {declared.VERSION} of "
            "the family was declared, so its contrasts may have been chosen with their numbers in "
            "view."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0")


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.3f}"
