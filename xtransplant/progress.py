"""Progress of a run, as numbers and text."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

SECONDS_BETWEEN_LINES = 5.0
"""Time between two lines of progress if the output is not a terminal."""


class RunProgress:
    """Counts the finished cells of a run; derives finished instances, speed and time left."""

    def __init__(
        self,
        total_instances: int,
        cells_per_instance: int,
        show: Callable[[RunProgress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total_instances = total_instances
        self.cells_per_instance = cells_per_instance
        self.language = ""
        self.cells = 0
        self._show = show
        self._clock = clock
        self._start = clock()

    def set_language(self, language: str) -> None:
        """Set the language of the current part."""
        self.language = language

    def advance(self, cells: int) -> None:
        """Add finished cells; of a run without cells, finished baselines."""
        self.cells += cells
        self._show(self)

    @property
    def total_cells(self) -> int:
        """Number of cells of the whole run."""
        return self.total_instances * self.cells_per_instance

    @property
    def is_done(self) -> bool:
        """Whether every cell has been counted."""
        return self.cells >= self.total_cells

    def figures(self) -> str:
        """Return "12/50 instances · 84.1 cells/s · 0:01:20 left"."""
        seconds = max(self._clock() - self._start, 1e-9)
        rate = self.cells / seconds
        parts = [f"{self.cells // self.cells_per_instance}/{self.total_instances} instances"]
        if self.cells:
            parts.append(f"{rate:.1f} cells/s")
        if self.is_done:
            parts.append(f"{duration(seconds)} in all")
        elif self.cells:
            parts.append(f"{duration((self.total_cells - self.cells) / rate)} left")
        return " · ".join(parts)


class ThrottledLines:
    """Shows a line only if `SECONDS_BETWEEN_LINES` have passed since the last one."""

    def __init__(
        self, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._show = show
        self._clock = clock
        self._last = clock()

    def show(self, line: str, *, at_once: bool = False) -> None:
        """Show a line if enough time has passed; with `at_once`, always."""
        if at_once or self._clock() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = self._clock()
            self._show(line)


def duration(seconds: float) -> str:
    """Return hours, minutes and seconds, such as 0:01:20."""
    return str(timedelta(seconds=round(seconds)))


OnStep = Callable[[str, int, int], None]
"""Progress callback (step, done, total); a total of 0 means that it is not known yet."""


def silent(_name: str, _done: int, _total: int) -> None:
    """No-op progress callback."""
