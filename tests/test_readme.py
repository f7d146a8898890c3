"""README and docs: the file tree names what exists, links lead somewhere, commands are quoted."""

import re
from pathlib import Path

import pytest
from test_architecture import ROOMS

CHECKOUT = Path(__file__).parents[1]
TREE = (CHECKOUT / "README.md").read_text("utf-8").split("## File tree")[1].split("```")[1]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def named_paths() -> dict[str, str]:
    """Return the tree's paths, from the top of the repository, each with its remark."""
    paths: dict[str, str] = {}
    parents: list[str] = []
    for line in TREE.strip().splitlines()[1:]:
        found = re.fullmatch(r"((?:│   |    )*)[├└]── (\S+)(?: +# (.+))?", line)
        assert found, line
        depth = len(found[1]) // 4
        parents = [*parents[:depth], found[2]]
        paths["/".join(parents)] = found[3] or ""
    return paths


def test_every_path_of_the_tree_exists() -> None:
    assert [path for path in named_paths() if not (CHECKOUT / path).exists()] == []


def test_the_tree_names_every_room_in_its_order_and_says_what_it_is_for() -> None:
    remarks = named_paths()
    rooms = [path for path in remarks if path.removeprefix("xtransplant/") in ROOMS]
    assert rooms == [f"xtransplant/{room}" for room in ROOMS]
    assert all(remarks[path] for path in rooms)


def test_the_tree_names_the_folders_at_the_top() -> None:
    folders = {"conf", "docs", "hydra_plugins", "scripts", "tests", "xtransplant"}
    assert folders <= set(named_paths())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_quote_what_a_shell_reads_as_a_pattern(page: Path) -> None:
    # zsh refuses languages=[sw] unless it is quoted.
    lines = [line for line in page.read_text("utf-8").splitlines() if "xtransplant " in line]
    patterns = r"(?<!['\w.+])[\w.+]+=[^\s'\"`|]*[\[({*?]"
    assert [line for line in lines if re.search(patterns, line)] == []
