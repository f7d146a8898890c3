"""Who may import whom: the rules that keep start-up quick and the rooms apart."""

import ast
from pathlib import Path

import pytest

import xtransplant

PACKAGE = Path(xtransplant.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(path: Path) -> set[str]:
    """Return every module that a file imports, inside functions too, but for types only."""
    names: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importers(*libraries: str) -> set[str]:
    return {
        name
        for name, path in FILES.items()
        if any(i == lib or i.startswith(lib + ".") for i in imports(path) for lib in libraries)
    }


def inside(names: set[str], *places: str) -> set[str]:
    """Return those of the names that are none of the places or below one."""
    return {
        name
        for name in names
        if not any(name == place or name.startswith(place + ".") for place in places)
    }


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        (("torch", "transformers"), ("xtransplant.models", "xtransplant.engine")),
        (("hydra", "omegaconf"), ("xtransplant.config",)),
        (("rich",), ("xtransplant.terminal",)),
        (("datasets",), ("xtransplant.tasks.hub",)),
        (("typer",), ("xtransplant.cli",)),
        (("scipy", "statsmodels", "matplotlib"), ("xtransplant.analysis", "xtransplant.reporting")),
        (
            ("pandas", "pyarrow"),
            (
                *("xtransplant.analysis", "xtransplant.reporting", "xtransplant.store"),
                "xtransplant.engine.transplant",  # to_frame
            ),
        ),
    ],
)
def test_a_library_is_imported_only_where_it_belongs(
    libraries: tuple[str, ...], places: tuple[str, ...]
) -> None:
    found = importers(*libraries)
    assert found, "the rule would hold for a library that nothing imports"
    assert inside(found, *places) == set()


@pytest.mark.parametrize("name", ["types", "errors", "config.schema"])
def test_the_nouns_import_nothing_local(name: str) -> None:
    local = {i for i in imports(FILES[f"xtransplant.{name}"]) if i.startswith("xtransplant")}
    assert local == set()


def test_only_those_who_start_a_run_see_the_whole_configuration() -> None:
    seers = {name for name, path in FILES.items() if "RunConfig" in path.read_text("utf-8")}
    entitled = {
        *("config.schema", "config.compose", "config.validate", "tasks.load", "store.receipts"),
        *("runner.plan", "runner.run", "runner.job", "runner.inputs"),
        *("commands.dry_run", "commands.check", "commands.bench"),
        *("commands.translate", "commands.prepare"),
    }
    assert seers == {f"xtransplant.{name}" for name in entitled}


def test_no_module_is_too_long() -> None:
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: n for name, n in lengths.items() if n > 300} == {}
