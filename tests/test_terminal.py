import io
import re

import pytest

from xtransplant.cli.checkpoint import _show_distinct_texts, _show_texts
from xtransplant.progress import RunProgress, ThrottledLines
from xtransplant.runner.results import show_summary
from xtransplant.terminal import Column, Console, visible
from xtransplant.types import Cell, LanguageSummary

ROWS = [
    LanguageSummary("fr", 40, 0.5, Cell(16, 4), 0.625, 0.9),
    LanguageSummary("zh-CN", 20, 0.25, Cell(0, 31), 0.5, 1.0),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def show(action, terminal=False):
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    action(Console(out, err))
    return out.getvalue(), err.getvalue()


def without_styles(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_error_is_one_line_on_standard_error_and_never_markup():
    message = "unknown task '[bold]x[/bold]'\nallowed: " + "a" * 500 + " :smile: \x1b[31m"
    out, err = show(lambda console: console.error(message))
    assert out == ""
    assert err == (
        "error: unknown task '[bold]x[/bold]' allowed: " + "a" * 500 + " :smile: \\x1b[31m\n"
    )


def test_colour_on_a_terminal_only_and_not_against_no_color(monkeypatch):
    _, err = show(lambda console: console.error("no"), terminal=True)
    assert err != without_styles(err) == "error: no\n"
    monkeypatch.setenv("NO_COLOR", "1")
    _, err = show(lambda console: console.error("no"), terminal=True)
    assert "31m" not in err and without_styles(err) == "error: no\n"


def test_results_go_to_standard_output_remarks_do_not():
    out, err = show(lambda console: (console.write("[red] a\nb"), console.info("[i]")))
    assert (out, err) == ("[red] a\nb\n", "[i]\n")


def test_summary_has_each_language_and_the_macro_average():
    out, _ = show(lambda console: show_summary(ROWS, 1024, console))
    lines = [line.split() for line in out.splitlines()]
    assert ["fr", "40", "50.0", "%", "62.5", "%", "16→4", "90.0", "%"] in lines
    assert ["zh-CN", "20", "25.0", "%", "50.0", "%", "0→31", "100.0", "%"] in lines
    # means over languages, not over the 60 instances: 37.5 rather than 41.7
    assert ["macro", "average", "60", "37.5", "%", "56.2", "%", "95.0", "%"] in lines
    assert out.splitlines()[-1] == (
        "Best fixed cell and upper bound are optimistic: both are chosen from 1024 cells with the "
        "gold answers."
    )


def test_a_given_cell_is_not_called_the_best_of_one_try():
    row = LanguageSummary("fr", 40, 0.5, Cell(16, 4), 0.625, 0.625)
    out, _ = show(lambda console: show_summary([row], 1, console))
    assert "cell" in out and "16→4" in out and "62.5 %" in out
    for word in ("best", "optimistic", "try", "bound"):
        assert word not in out
    out, _ = show(lambda console: show_summary(ROWS, 2, console, given=True))
    assert "both are chosen from 2 given cells with the gold answers." in out


def test_no_cell_is_the_best_where_nothing_is_right():
    nothing = LanguageSummary("fr", 40, 0.0, Cell(31, 0), 0.0, 0.0, 1024, 41_000, 40_999)
    out, err = show(lambda console: show_summary([nothing], 1024, console))
    assert "31→0" not in out and "tie for the best" not in out
    assert "Cut off by the token limit: 40,999 of 41,000 answers (100.0 %)." in out
    cut_off, wrong = err.splitlines()
    assert cut_off.startswith("warning: 40,999 of 41,000 answers were cut off")
    assert "decode.max_new_tokens" in cut_off
    assert wrong.startswith("warning: no answer is right, not even the baseline's")
    assert all(name in wrong for name in ("task.scorer", "prompt", "decode.max_new_tokens"))


def test_ties_are_counted_and_half_cut_off_is_no_majority():
    rows = [
        LanguageSummary("fr", 4, 0.5, Cell(0, 0), 0.75, 1.0, 7, 10, 5),
        LanguageSummary("sw", 4, 0.0, Cell(0, 0), 0.0, 0.0, 64, 10, 5),
    ]
    out, err = show(lambda console: show_summary(rows, 64, console))
    assert "Cells that tie for the best, of which one is shown: fr 7 of 64." in out
    assert "Cut off by the token limit: 10 of 20 answers (50.0 %)." in out
    assert err == ""


def test_summary_fits_sixty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    out, _ = show(lambda console: show_summary(ROWS, 1024, console), terminal=True)
    out = without_styles(out)
    assert max(map(len, out.splitlines())) <= 60
    assert "macro average" in out and "zh-CN" in out and "0→31" in out


def test_tables_fold_long_values_on_a_narrow_terminal_and_lose_nothing(monkeypatch):
    value = "/".join(map(str, range(60)))
    monkeypatch.setenv("COLUMNS", "40")
    out, _ = show(lambda console: console.table(("a", "b"), [("x", value)]))
    assert value in out  # not a terminal
    for action in (
        lambda console: console.table(("a", "b"), [("[x]", value)]),
        lambda console: console.plan_table([("[x]", value)]),
    ):
        out, _ = show(action, terminal=True)
        out = without_styles(out)
        assert max(map(len, out.splitlines())) <= 40
        assert value in re.sub(r"\s", "", out) and "[x]" in out


def test_a_page_is_narrow_in_a_file_and_cuts_no_names_on_a_terminal(monkeypatch):
    codes, sentence = " ".join(f"l{number}" for number in range(100)), "some words in a row " * 4
    names = ("culturalbench_hard", "direction", "contains_any")
    headings = ("task", "languages", "size", "direction", "scorer", "licence")
    rows = [(names[0], codes, sentence, *names[1:], sentence), ("b", "x", "y", "z", "u", "v")]
    out, _ = show(lambda console: console.page(headings, rows))
    assert max(map(len, out.splitlines())) <= 120
    monkeypatch.setenv("COLUMNS", "80")
    narrow, _ = show(lambda console: console.page(headings, rows), terminal=True)
    narrow = without_styles(narrow)
    assert max(map(len, narrow.splitlines())) <= 80
    for shown in (out, narrow):
        words = shown.split()
        assert set(names) <= set(words)
        assert [word for word in words if re.fullmatch(r"l\d+", word)] == codes.split()


def test_cell_texts_stand_under_the_baseline():
    texts = {Cell(16, 4): "[b]oui\nnon", Cell(31, 0): "ja"}
    out, _ = show(lambda console: _show_texts("no", texts, console))
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["baseline", "no"],
        ["16→4", "[b]oui↵non"],
        ["31→0", "ja"],
    ]


def test_distinct_texts_are_counted_and_the_most_frequent_is_first():
    texts = {Cell(0, 0): "a", Cell(0, 1): "b", Cell(1, 0): "c", Cell(1, 1): "b"}
    out, _ = show(lambda console: _show_distinct_texts("no", texts, console))
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["baseline", "no"],
        ["2", "0→1", "b"],
        ["1", "0→0", "a"],
        ["1", "1→0", "c"],
    ]


def test_visible_keeps_scripts_and_escapes_controls():
    assert visible("नमस्ते, سلام 你好") == "नमस्ते, سلام 你好"
    assert visible("a\nb\x07\x1b[0m\t") == "a↵b\\x07\\x1b[0m\\t"


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_progress_figures_by_hand():
    clock, shown = Clock(), []
    progress = RunProgress(50, 64, lambda p: shown.append((p.language, p.figures())), clock)
    assert progress.figures() == "0/50 instances"
    progress.set_language("fr")
    clock.now += 8
    progress.advance(64 * 12 + 32)
    # 800 cells in 8 s; 2,400 are left
    assert shown == [("fr", "12/50 instances · 100.0 cells/s · 0:00:24 left")]
    clock.now += 8
    progress.advance(2400)
    assert progress.is_done
    assert shown[-1] == ("fr", "50/50 instances · 200.0 cells/s · 0:00:16 in all")


def test_lines_come_every_few_seconds():
    clock, shown = Clock(), []
    lines = ThrottledLines(shown.append, clock)
    for second in range(12):
        clock.now = 100.0 + second
        lines.show(str(second))
    assert shown == ["5", "10"]
    lines.show("last", at_once=True)
    assert shown == ["5", "10", "last"]


def work(console):
    with console.progress(2, 3) as progress:
        progress.set_language("sw")
        progress.advance(3)
        progress.advance(3)


def test_progress_without_a_terminal_is_plain_lines_with_the_last_one():
    out, err = show(work)
    assert out == ""
    assert re.fullmatch(r"sw 2/2 instances · [\d.]+ cells/s · 0:00:00 in all\n", err)


def test_progress_on_a_terminal_shows_the_bar_and_the_figures():
    out, err = show(work, terminal=True)
    assert out == ""
    assert re.search(r"sw .*2/2 instances · [\d.]+ cells/s", without_styles(err))


def test_a_note_below_columns_keeps_its_lines():
    out, _ = show(lambda console: console.columns([Column("a", ["b"])], "first\nsecond"))
    assert out.splitlines()[-2:] == ["first", "second"]


def test_quick_steps_leave_no_line_and_bars_vanish():
    def steps(console):
        with console.steps() as on_step:
            on_step("convert", 0, 0)
            on_step("convert", 1, 4)

    assert show(steps) == ("", "")
    _, err = show(steps, terminal=True)
    assert "convert" in err and "25.0 %" in err
    assert err.rstrip().endswith("\x1b[2K")  # the line is erased


# What a terminal obeys or hides, each in its own way.
HOSTILE = {
    "escape": "\x1b[31m",
    "C1 control": "\x9b31m",
    "hyperlink": "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    "bell": "\x07",
    "carriage return": "good\rbad",
    "backspace": "a\x08b",
    **{f"U+{code:04X}": f"a{chr(code)}b" for code in [*range(0x202A, 0x202F)]},
    **{f"U+{code:04X}": f"a{chr(code)}b" for code in [*range(0x2066, 0x206A)]},
    **{f"U+{code:04X}": f"a{chr(code)}b" for code in (0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)},
    **{f"U+{code:04X}": f"a{chr(code)}b" for code in (0x200E, 0x061C, 0xAD, 0x2028, 0xE0041)},
}
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0041]"
)


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_foreign_text_is_shown_and_never_obeyed(text, terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    def everything(console):
        console.error(text)
        console.info(text)
        console.write(text)
        console.table((text, "b"), [(text, text)])
        console.page((text, "b"), [(text, text)], cut_last=True)
        console.plan_table([(text, text)])
        console.columns([Column(text, [text], text, dim=True)], text)
        console.watch(("a",), [[(text,)]])
        with console.progress(1, 1) as progress:
            progress.set_language(text)
            progress.advance(1)
        with console.steps() as on_step:
            on_step(text, 1, 2)

    for shown in show(everything, terminal):
        own = re.sub(r"\r(?=\x1b\[)", "", shown)  # a bar starts its line anew
        assert FORBIDDEN.findall(without_styles(own)) == []
    out, err = show(lambda console: (console.write(text), console.error(text)))
    shown = visible(text)
    assert shown != text and out == f"{shown}\n"
    assert err == f"error: {visible(' '.join(text.split()))}\n"


def test_nothing_reaches_rich_past_the_escapes():
    out = io.StringIO()
    Console(out, out)._out.print("a\x9bb\u202ec")
    assert out.getvalue() == "a\\x9bb\\u202ec\n"


@pytest.mark.parametrize("text", ["می‌خواهم", "ක්‍ෂ", "👩‍👩‍👧", "؀١", "Đà Nẵng", "ไทย", "日本"])
def test_text_of_every_script_is_shown_as_it_is(text):
    assert visible(text) == text
