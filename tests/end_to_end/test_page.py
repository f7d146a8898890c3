"""The HTML page in a headless Chromium, over runs whose numbers are worked out by hand."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_runs import (
    ARABIC,
    CELLS,
    HOSTILE,
    interval_of_four,
    write_big_run,
    write_run,
    write_runs,
)

import xtransplant as xt
from xtransplant.cli import app as cli
from xtransplant.reporting.page import write_page
from xtransplant.types import Cell

sync_api = pytest.importorskip("playwright.sync_api", reason="left out: no playwright installed")
expect = sync_api.expect


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = chromium()
    if path is None:
        pytest.skip("left out: no Chromium on the PATH (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab that may open files, ask nobody, and must not stumble."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    tab = context.new_page()
    asked: list[str] = []
    troubles: list[str] = []
    tab.on("request", lambda request: asked.append(request.url.partition("#")[0]))
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    yield tab
    pages = set(asked)
    context.close()
    assert all(re.fullmatch(r"(file:///.*\.html)|(blob:.*)", url) for url in pages), pages
    assert len(pages) == 1
    assert troubles == []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("results")
    write_runs(root)
    write_page(xt.load_runs(root), root / "page.html")
    return (root / "page.html").as_uri()


def square(tab: Any, source: int, target: int) -> Any:
    return tab.get_by_role("gridcell", name=f"source layer {source} → target layer {target},")


def lines(node: Any) -> list[str]:
    return [line for line in node.inner_text().splitlines() if line]


def ids(tab: Any) -> list[str]:
    return tab.locator(".instance .id").all_inner_texts()


def tiles(tab: Any) -> dict[str, list[str]]:
    blocks = (block.splitlines() for block in tab.locator(".summary > div").all_inner_texts())
    return {title: lines for title, *lines in blocks}


def test_it_loads_with_every_run_and_cell(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=sw")
    options = tab.locator("#task option").all_inner_texts()
    assert options == ["arabic", "nasty & <b>", "shades", "toy"]
    assert tab.locator("#module option").all_inner_texts() == ["attn", "mlp"]
    assert tab.locator("#control option").all_inner_texts() == ["none", "noise"]
    assert tab.locator("#language option").all_inner_texts() == ["German (de)", "Swahili (sw)"]
    expect(tab.locator("#run")).to_be_hidden()  # no second run of this setting
    # Source layers upwards, target layers to the right.
    assert tab.locator(".square").all_inner_texts() == ["0", "75", "100", "50"]
    assert tab.get_by_role("rowheader").all_inner_texts() == ["7", "0"]
    assert tab.get_by_role("columnheader").all_inner_texts() == ["0", "5"]
    assert tab.locator(".square.above").all_inner_texts() == ["75", "100", "50"]
    low, high = interval_of_four(2)
    assert tiles(tab)["Baseline"][:2] == [
        "50.0 %",
        f"2 of 4; 95 % interval {low:.1f} to {high:.1f} %",
    ]
    assert tiles(tab)["Best fixed cell"][::2] == [
        "100.0 %",
        "0 → 0; optimistic: chosen with the gold answers",
    ]
    assert tiles(tab)["Upper bound"][0] == "100.0 %"
    assert tiles(tab)["Upper bound, control noise"][0] == "75.0 %"


def test_hovering_tells_value_and_interval(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=sw")
    hint = tab.get_by_role("tooltip")
    expect(hint).to_be_hidden()
    square(tab, 7, 5).hover()
    low, high = interval_of_four(3)
    assert lines(hint) == [
        "source layer 7 → target layer 5",
        "75.0 % (3 of 4)",
        f"95 % interval {low:.1f} to {high:.1f} %",
        "+25.0 points to the baseline",
        "2 gained, 1 lost",
    ]
    square(tab, 7, 0).hover()
    expect(hint).to_contain_text("−50.0 points to the baseline")
    tab.get_by_role("heading", level=1).hover()
    expect(hint).to_be_hidden()


def test_a_click_shows_the_instances_of_the_cell(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=sw")
    square(tab, 7, 5).click()
    expect(tab.locator("#cell-title")).to_have_text("Source layer 7 → target layer 5")
    assert ids(tab) == ["q0", "q1", "q2", "q3"]
    second = tab.locator(".instance").nth(1)
    assert lines(second) == [
        *("right in both", "q1", "gold gold 1 or other gold"),
        *("Source, English (en)", "English 1?", "Target, Swahili (sw)", "sw 1?"),
        *("Baseline", "✓ right", "sw baseline 1", "answer read: read 1"),
        *("Transplanted", "✓ right", "sw 7,5 1", "answer read: read 1"),
    ]
    badges = tab.locator(".badge").all_inner_texts()
    assert badges == ["▼ lost", "right in both", "▲ gained", "▲ gained"]
    expect(tab.locator(".instance").nth(0)).to_contain_text(
        "sw 7,5 0\nanswer read: none", use_inner_text=True
    )
    fragment = "#task=toy&model=tiny&module=mlp&control=none&language=sw&run=aaaa&cell=7,5"
    assert tab.url == page + fragment
    tab.go_back()
    expect(tab.locator("#cell-title")).to_have_text("Source layer 0 → target layer 0")


def test_the_filter_shows_gained_or_lost(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=sw&cell=7,5")
    labels = tab.locator("#show label:has([type=radio])").all_inner_texts()
    counts = {name.rpartition(" ")[0]: int(name.rpartition(" ")[2]) for name in labels}
    assert counts == {
        **{"all": 4, "▲ gained": 2, "▼ lost": 1},
        **{"right in both": 1, "wrong in both": 0},
    }
    tab.get_by_text("▲ gained 2").click()
    expect(tab.locator(".instance")).to_have_count(2)
    assert ids(tab) == ["q2", "q3"]
    tab.get_by_text("▼ lost 1").click()
    expect(tab.locator(".instance")).to_have_count(1)
    assert ids(tab) == ["q0"]
    assert tab.url.endswith("&cell=7,5&show=lost")
    square(tab, 0, 5).click()
    expect(tab.get_by_text("No such instance in this cell.")).to_be_visible()


def test_a_choice_keeps_the_others_where_it_can(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=sw&cell=0,5")
    tab.get_by_label("Control").select_option("noise")
    expect(tab.locator(".square")).to_have_text(["50", "75", "50", "50"])
    assert "control=noise&language=sw&run=0bbb&cell=0,5" in tab.url
    expect(tab.get_by_role("status")).to_be_empty()
    tab.get_by_label("Module").select_option("attn")  # only German, only without a control
    expect(tab.get_by_label("Language")).to_have_value("de")
    expect(tab.get_by_role("status")).to_have_text(
        "This run is not finished (status running): these are its finished parts."
    )


def test_runs_of_the_same_setting_can_be_told_apart(tab: Any, page: str) -> None:
    tab.goto(page + "#task=arabic")
    names = tab.locator("#run option").all_inner_texts()
    assert names == ["eeee (dev, grid pairs, n 4)", "gggg (dev, grid pairs, n 4)"]
    tab.get_by_label("Run").select_option("gggg")
    expect(tab.locator(".square")).to_have_count(1)
    assert "&run=gggg&cell=0,5" in tab.url


def test_a_large_grid_has_dashes_for_figures(tab: Any, page: str) -> None:
    tab.goto(page + "#task=shades")
    expect(tab.locator(".square")).to_have_text([""] * 101)
    expect(tab.locator("#legend")).to_contain_text("− below the baseline")
    dashes = tab.locator(".square").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node, '::before').content !== 'none')"
    )
    assert dashes == [k < 50 for k in range(101)]
    ticks = tab.get_by_role("columnheader").all_inner_texts()
    assert [tick for tick in ticks if tick] == ["0", "10", "20", *map(str, range(30, 101, 10))]
    tab.get_by_label("Task").select_option("arabic")
    expect(tab.locator("#legend")).not_to_contain_text("below", use_inner_text=True)


def test_many_instances_come_in_portions(tab: Any, page: str) -> None:
    tab.goto(page + "#task=shades&cell=0,90&show=gained")  # 90 right, 50 of them before
    expect(tab.locator(".instance")).to_have_count(40)
    expect(tab.locator("#more")).to_be_hidden()
    tab.get_by_text("all 100").click()
    expect(tab.locator(".instance")).to_have_count(50)
    tab.get_by_role("button", name="Show 50 more of 50").click()
    assert ids(tab) == [f"q{k}" for k in range(100)]
    expect(tab.locator("#more")).to_be_hidden()


def test_long_prompts_open_on_demand(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp")
    expect(tab.get_by_text("English 0?")).to_be_visible()
    expect(tab.get_by_label("open long prompts")).to_be_hidden()  # there are none
    tab.get_by_label("Module").select_option("attn")
    story = tab.get_by_text("A long story.")
    expect(story).to_be_hidden()
    tab.get_by_text("Prompts", exact=True).click()
    expect(story).to_be_visible()
    tab.get_by_text("Prompts", exact=True).click()
    tab.get_by_label("open long prompts").check()
    expect(story).to_be_visible()
    assert tab.url.endswith("&prompts=open")


def test_of_equal_cells_the_best_is_the_one_the_study_picks(tab: Any, page: str) -> None:
    tab.goto(page + "#task=arabic")  # all four cells: smallest target layer, largest source layer
    expect(tab.locator("#cell-title")).to_have_text("Source layer 7 → target layer 0")
    assert tab.locator(".best").get_attribute("aria-label").startswith("best cell, source layer 7")


def test_a_link_to_what_is_not_there_says_so(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=xx&cell=9,9&show=some")
    expect(tab.get_by_role("status")).to_have_text(
        "The link asks for language xx, cell 9,9, show some, which this page does not hold."
    )
    expect(tab.get_by_label("Language")).to_have_value("de")


def test_the_keyboard_does_it_all(tab: Any, page: str) -> None:
    tab.goto(page + "#task=toy&module=mlp&language=sw")
    tab.get_by_label("Theme").focus()
    tab.keyboard.press("Tab")
    expect(square(tab, 0, 0)).to_be_focused()
    expect(tab.get_by_role("tooltip")).to_contain_text("source layer 0 → target layer 0")
    for key, source, target in [
        *[("ArrowDown", 0, 0), ("ArrowUp", 7, 0), ("End", 7, 5), ("ArrowLeft", 7, 0)],
        *[("ArrowRight", 7, 5), ("ArrowDown", 0, 5), ("Home", 0, 0), ("ArrowUp", 7, 0)],
    ]:
        tab.keyboard.press(key)
        expect(square(tab, source, target)).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("tooltip")).to_be_hidden()
    tab.keyboard.press("Enter")
    expect(tab.locator("#cell-title")).to_have_text("Source layer 7 → target layer 0")
    expect(square(tab, 7, 0)).to_be_focused()
    expect(square(tab, 7, 0)).to_have_attribute("aria-selected", "true")
    tab.keyboard.press("Tab")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    expect(tab.get_by_role("radio", name="lost")).to_be_focused()
    expect(tab.locator(".instance")).to_have_count(2)
    assert ids(tab) == ["q0", "q1"]


CONTRASTS = """() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const words = "h1, h1 span, h2, h3, p, label, select, dt, dd, .badge, .id, .gold, .mark, .tick";
  const backed = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (backgroundColor !== "rgba(0, 0, 0, 0)") return backgroundColor;
    }
  };
  return [...document.querySelectorAll(`${words}, .square`)].map((node) => {
    const pair = [luminance(getComputedStyle(node).color), luminance(backed(node))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  });
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_figure_and_word_can_be_read(tab: Any, page: str, theme: str) -> None:
    tab.goto(f"{page}#task=shades&theme={theme}")
    expect(tab.locator(".square")).to_have_count(101)
    contrasts = tab.evaluate(CONTRASTS)
    assert len(contrasts) > 300
    assert min(contrasts) >= 4.5  # WCAG 2.2, 1.4.3


def test_light_and_dark(tab: Any, page: str) -> None:
    def background() -> int:
        colour = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    tab.goto(page + "#task=toy&module=mlp&language=sw")
    assert background() > 3 * 240
    tab.emulate_media(color_scheme="dark")
    assert background() < 3 * 40
    tab.get_by_label("Theme").select_option("light")
    expect(tab.locator("html")).to_have_attribute("data-theme", "light")
    assert background() > 3 * 240
    assert tab.url.endswith("&theme=light")


def test_nothing_in_a_text_is_taken_for_markup(tab: Any, page: str) -> None:
    tab.goto(page + "#task=nasty+%26+%3Cb%3E&show=" + HOSTILE.replace("'", "%27"))
    first = tab.locator(".instance").first
    shown = [
        first.locator(".id").inner_text(),
        first.locator(".gold bdi").inner_text(),
        *first.locator(".prompt .foreign, .text > .foreign, .answer .foreign").all_inner_texts(),
    ]
    assert shown == [HOSTILE] * 5 + [HOSTILE + " read", HOSTILE, HOSTILE + " read"]
    expect(tab.get_by_role("status")).to_contain_text(f"show {HOSTILE}")
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img").count() == 0
    assert tab.locator("script").count() == 2  # the data and the page's own


def test_the_policy_stops_a_script_that_got_in(browser: Any, page: str) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(page)
    tab.locator(".instance").first.wait_for()
    tab.evaluate("text => { document.body.insertAdjacentHTML('beforeend', text) }", HOSTILE)
    tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{ textContent: 'window.hacked = 1' }))"
    )
    tab.locator("img").wait_for(state="attached")
    tab.wait_for_timeout(200)
    assert tab.evaluate("window.hacked") is None
    context.close()


def test_right_to_left_text_runs_right_to_left(tab: Any, page: str) -> None:
    tab.goto(page + "#task=arabic")
    first = tab.locator(".instance").first
    text = first.get_by_text(ARABIC + " Paris").first
    expect(text).to_have_attribute("lang", "ar")
    assert text.evaluate("node => getComputedStyle(node).direction") == "rtl"
    english = first.get_by_text("English 0?")
    assert english.evaluate("node => getComputedStyle(node).direction") == "ltr"


def test_fifty_thousand_rows_open(tab: Any, tmp_path: Path) -> None:
    last = write_big_run(tmp_path)
    write_page(xt.load_runs(tmp_path), tmp_path / "page.html")
    tab.goto((tmp_path / "page.html").as_uri() + "#cell=31,31")
    expect(tab.locator(".square")).to_have_count(1024)
    expect(tab.locator(".instance").nth(48)).to_contain_text(last)


def test_a_real_run_shows_what_its_generations_say(tab: Any, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "languages=[sw]", "limit=10", "grid=stride2", "module=mlp"]) == 0
    runs = xt.load_runs("outputs")
    write_page(runs, "report/page.html")
    rows = runs.generations.dropna(subset="source_layer")
    accuracy = rows.groupby(["source_layer", "target_layer"])["correct"].mean()
    assert accuracy.nunique() > 2
    tab.goto((tmp_path / "report" / "page.html").as_uri())
    for (source, target), value in accuracy.items():
        expect(square(tab, source, target)).to_have_text(f"{100 * value:.0f}")
    square(tab, 2, 4).click()
    of_cell = rows[(rows["source_layer"] == 2) & (rows["target_layer"] == 4)]
    expect(tab.locator("#cell-title")).to_have_text("Source layer 2 → target layer 4")
    shown = tab.locator(".pair .text:last-child .foreign").all_text_contents()
    assert shown == of_cell["text"].tolist()


def test_a_browser_that_cannot_show_it_says_so(browser: Any, page: str) -> None:
    tab = browser.new_page()
    tab.add_init_script("delete window.DecompressionStream")
    tab.goto(page)
    expect(tab.get_by_role("status")).to_contain_text("It needs a browser of 2024 or later.")
    expect(tab.locator("main")).to_be_hidden()
    tab.close()


def test_what_a_reader_must_know_stands_above(tab: Any, tmp_path: Path) -> None:
    cells = {Cell(0, 0): "0000", Cell(0, 5): "0000"}
    write_run(tmp_path, "aaaa", {"sw": cells}, baseline="0000", finish="length")
    write_run(tmp_path, "bbbb", {"sw": {Cell(0, 0): "1111"}}, module="attn")
    tied = dict.fromkeys(CELLS, "1000")
    write_run(tmp_path, "cccc", {"sw": tied}, module="block")
    found = ["(a) Open: <i>nothing</i> is decided."]
    write_page(xt.load_runs(tmp_path), tmp_path / "page.html", ["left out: <b>x</b>"], found)
    address = (tmp_path / "page.html").as_uri()
    tab.goto(address + "#module=mlp")
    assert tab.get_by_role("list", name="Remarks").inner_text() == "left out: <b>x</b>"
    first = tab.get_by_role("region", name="Read this first").get_by_role("listitem")
    assert first.all_inner_texts() == found
    notice = tab.locator("#notice").inner_text()
    assert "12 of 12 answers were cut off by the token limit" in notice
    assert "No answer is right" in notice
    assert tiles(tab)["Best fixed cell"][2].startswith("no cell is ever right; 8 of 8 answers cut")
    tab.goto(address + "#module=attn")
    expect(tab.locator("#notice")).to_be_empty()
    assert list(tiles(tab)) == ["Baseline", "Fixed cell"]
    assert tiles(tab)["Fixed cell"][2] == "0 → 0, the only cell"
    tab.goto(address + "#module=block")
    expect(tab.locator(".value")).to_have_count(3)
    assert tiles(tab)["Best fixed cell"][2].startswith("7 → 0, one of 4 equally good; optimistic")
