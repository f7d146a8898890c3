"""The tables of a report; a new one takes a module in this folder and a line here."""

from __future__ import annotations

from xtransplant.analysis.study import Study
from xtransplant.reporting.answers import ANSWERS
from xtransplant.reporting.claims import CLAIMS_TABLE
from xtransplant.reporting.groups import GROUPS_TABLE
from xtransplant.reporting.samples_of_units import UNITS_TABLE
from xtransplant.reporting.t0_primary import T0
from xtransplant.reporting.t1_coarse import T1
from xtransplant.reporting.t2_upper_bounds import T2
from xtransplant.reporting.t3_selected_pairs import T3
from xtransplant.reporting.t4_significance import T4
from xtransplant.reporting.t5_cost import T5
from xtransplant.reporting.t6_controls import T6
from xtransplant.reporting.table import StudyRows, Table
from xtransplant.reporting.tries import TRIES_TABLE
from xtransplant.reporting.values import VALUES_TABLE

TABLES = (
    T0,
    T1,
    T2,
    T3,
    T4,
    T5,
    T6,
    ANSWERS,
    TRIES_TABLE,
    CLAIMS_TABLE,
    UNITS_TABLE,
    GROUPS_TABLE,
    VALUES_TABLE,
)


def all_tables(study: Study) -> list[Table]:
    """Return every table of a study; a table to which no run contributes has no rows."""
    return tables_of(StudyRows(study))


def tables_of(rows: StudyRows) -> list[Table]:
    """Return every table of the study whose rows these are."""
    return [definition.table(rows) for definition in TABLES]
