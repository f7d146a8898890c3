"""Output on the terminal; the only module that imports rich.

Results go to standard output; errors, progress and remarks go to standard error. Text from users,
files and models is never read as markup. Control characters and invisible characters in it are
shown as escapes (`visible`); `_SafeConsole` applies this to all output. Colour and width follow the
terminal and `NO_COLOR`.
"""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from xtransplant.progress import RunProgress, ThrottledLines

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WIDTH_OF_A_FILE = 400
"""Width in a file or a pipe; large, so that rows of a table are not wrapped."""

WIDTH_OF_A_PAGE = 120
"""Width of `Console.page` in a file or a pipe."""


HIDDEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
"""Unicode categories of characters that terminals execute, hide or cannot show."""
JOINERS = "\u200c\u200d"
FIRST_JOINED = 0x0600
"""First code point of the scripts and emoji in which joiners (`JOINERS`) have a meaning."""
VISIBLE_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
"""Signs of Arabic, Syriac and Kaithi that are visible, though Unicode calls them format characters.
"""


@dataclass(frozen=True)
class Column:
    """A column of a table of numbers; the heading may have several lines."""

    heading: str
    cells: Sequence[str]
    footer: str = ""
    right: bool = False
    dim: bool = False


class _SafeConsole(RichConsole):
    """A rich console that applies `visible` to everything it shows."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does, then apply `visible`."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text == "\n":
                yield segment
            else:
                text = "\n".join(map(visible, segment.text.split("\n")))
                yield Segment(text, segment.style)


class Console:
    """Standard output and standard error: a terminal, files or pipes."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = _rich(out or sys.stdout or _nowhere())
        self._err = _rich(err or sys.stderr or _nowhere())

    def error(self, message: str) -> None:
        """Show one line, `error: …`, on standard error."""
        line = Text("error: ", style="bold red")
        line.append_text(_text(" ".join(message.split()), "not bold default"))
        self._err.print(line, soft_wrap=True, highlight=False)

    def info(self, message: str) -> None:
        """Show a remark on standard error."""
        self._err.print(_lines(message), soft_wrap=True, highlight=False)

    def write(self, text: str) -> None:
        """Show a result of one or more lines on standard output."""
        self._out.print(_lines(text), soft_wrap=True, highlight=False)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table of texts."""
        self._out.print(_text_table(headings, rows, self._out.width))

    def page(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], *, cut_last: bool = False
    ) -> None:
        """Show a table of at most `WIDTH_OF_A_PAGE` characters, also in a file or a pipe.

        Cells that are too wide are folded. With `cut_last`, those of the last column are cut and
        end in "…".
        """
        width = min(self._out.width, WIDTH_OF_A_PAGE)
        table = _text_table(headings, rows, width)
        if cut_last:
            for column in table.columns[:-1]:
                column.no_wrap = True
            for cell in table.columns[-1].cells:
                if isinstance(cell, Text):
                    cell.no_wrap, cell.overflow = True, "ellipsis"
        self._out.print(table, width=width)

    def watch(self, headings: Sequence[str], frames: Iterable[Sequence[Sequence[str]]]) -> None:
        """Show tables one after the other; on a terminal, each replaces the previous one."""
        if not self._out.is_terminal:
            for rows in frames:
                self.table(headings, rows)
            return
        from rich.live import Live

        with Live(console=self._out, auto_refresh=False) as live:
            for rows in frames:
                live.update(_text_table(headings, rows, self._out.width), refresh=True)

    def plan_table(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show a label and a value on each line, such as the plan of a run."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for label, value in rows:
            table.add_row(_lines(label), _lines(value))
        self._out.print(table)

    def columns(self, columns: Sequence[Column], note: str = "") -> None:
        """Show columns of numbers with a footer, and a note below."""
        table = _table(show_footer=True)
        for column in columns:
            justify: Literal["left", "right"] = "right" if column.right else "left"
            heading, footer = _lines(column.heading), _text(column.footer)
            table.add_column(heading, footer, justify=justify, overflow="fold")
        for row in zip(*(column.cells for column in columns), strict=True):
            styled = zip(row, columns, strict=True)
            table.add_row(*(_text(cell, "dim" if column.dim else "") for cell, column in styled))
        self._out.print(table)
        if note:
            self._out.print(_lines(note), style="dim")

    @contextmanager
    def progress(self, total_instances: int, cells_per_instance: int) -> Iterator[RunProgress]:
        """Show progress on standard error: a bar on a terminal, else lines every few seconds."""
        if self._err.is_terminal:
            with self._bar() as bar:
                task = bar.add_task("", total=total_instances * cells_per_instance, figures="")

                def show_bar(progress: RunProgress) -> None:
                    bar.update(
                        task,
                        completed=progress.cells,
                        description=progress.language,
                        figures=progress.figures(),
                    )

                yield RunProgress(total_instances, cells_per_instance, show_bar)
            return

        lines = ThrottledLines(self.info)
        yield RunProgress(
            total_instances,
            cells_per_instance,
            lambda now: lines.show(f"{now.language} {now.figures()}".strip(), at_once=now.is_done),
        )

    @contextmanager
    def steps(self) -> Iterator[Callable[[str, int, int], None]]:
        """Yield a callback (name, done, total) that shows slow steps on standard error.

        A total of 0 means that it is not known yet. On a terminal, the bars vanish at the end.
        Elsewhere, a line is shown every few seconds; a quick step shows none.
        """
        if self._err.is_terminal:
            with self._bar(transient=True) as bar:
                tasks: dict[str, TaskID] = {}

                def show_bar(name: str, done: int, total: int) -> None:
                    if name not in tasks:
                        tasks[name] = bar.add_task(name, total=None, figures="")
                    figures = f"{percent(done / total)}" if total else ""
                    bar.update(tasks[name], completed=done, total=total or None, figures=figures)

                yield show_bar
            return

        lines = ThrottledLines(self.info)
        yield lambda name, done, total: lines.show(
            f"{name} {percent(done / total)}" if total else name
        )

    def _bar(self, *, transient: bool = False) -> Progress:
        from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[figures]}", markup=False),
        ]
        if self._err.width >= 80:
            columns.insert(1, BarColumn(bar_width=24))
        return Progress(*columns, console=self._err, transient=transient)


def percent(share: float) -> str:
    """Return a share (0 to 1) as per cent: "62.5 %"."""
    return f"{100 * share:.1f} %"


def visible(text: str) -> str:
    r"""Return a text on one line, with control and invisible characters as escapes.

    A line break becomes ↵. Control characters (C0 with ESC, C1), line separators and invisible
    format characters (such as U+202E, which reverses the direction, and U+200B, which has no width)
    become escapes. Joiners between non-Latin letters are kept: they change how the letters look.

    >>> visible("a\n\x1b[31mb\u202ec")
    'a↵\\x1b[31mb\\u202ec'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "↵" if c == "\n" else repr(c)[1:-1] if _is_hidden(text, place) else c
        for place, c in enumerate(text)
    )


def _is_hidden(text: str, place: int) -> bool:
    """Return whether a terminal executes or hides the character at an index of a text."""
    character = text[place]
    if character in JOINERS:
        around = (text[max(place - 1, 0) : place], text[place + 1 : place + 2])
        return not all(one and ord(one) >= FIRST_JOINED for one in around)
    return unicodedata.category(character) in HIDDEN and character not in VISIBLE_FORMATS


def _text(text: str, style: str = "") -> Text:
    """Return a text as one line for rich."""
    return Text(visible(text), style)


def _lines(text: str) -> Text:
    """Return a text of one or more lines for rich."""
    return Text("\n".join(map(visible, text.split("\n"))))


def _text_table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Table:
    table = _table()
    for heading in headings:
        table.add_column(_text(heading))
    for column in table.columns:
        column.overflow = "fold"
    cells = [[visible(cell) for cell in row] for row in rows]
    for row in cells:
        table.add_row(*map(Text, row))
    # Columns of names (no spaces) are not folded unless they fill over half of the width.
    widths_of_names = {
        place: max(map(cell_len, values))
        for place, values in enumerate(zip(headings, *cells, strict=True))
        if not any(" " in value for value in values)
    }
    if sum(widths_of_names.values()) <= width / 2:
        for place in widths_of_names:
            table.columns[place].no_wrap = True
    return table


def _table(*, show_footer: bool = False) -> Table:
    return Table(
        box=SIMPLE,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_footer=show_footer,
        header_style="bold",
        footer_style="default",
    )


def _rich(stream: TextIO) -> RichConsole:
    return _SafeConsole(file=stream, width=None if stream.isatty() else WIDTH_OF_A_FILE)


def _nowhere() -> TextIO:
    """Return a stream to use instead of one that was closed before Python started."""
    return io.StringIO()
