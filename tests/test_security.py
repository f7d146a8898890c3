"""SECURITY.md: each of its lines names tests, and they exist."""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PAGE = (CHECKOUT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_a_named_test_exists(file: str, test: str) -> None:
    tree = ast.parse((CHECKOUT / file).read_text("utf-8"))
    tests = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    assert test in tests if test else any(name.startswith("test_") for name in tests)


def test_every_line_of_what_is_not_trusted_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "rule" not in line]
    assert len(rows) > 15
    for row in rows:
        assert row.split("|")[3].strip().startswith("`tests/"), row
