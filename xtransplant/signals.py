"""Signals that ask a run to end: the part in work is dropped, its lease given back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from xtransplant.errors import Stopped

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)
"""Slurm sends SIGTERM at the end of a job's time, and before it the one asked for by `--signal`."""


@contextmanager
def stopping() -> Iterator[None]:
    """Raise `Stopped` inside where such a signal comes; SIGINT is a KeyboardInterrupt already.

    A signal that somebody else handles stays theirs: submitit requeues its jobs by them.
    """
    if threading.current_thread() is not threading.main_thread():  # Python refuses handlers there
        yield
        return
    ours = [number for number in STOPPING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in STOPPING:
        if signal.getsignal(each) is _stop:
            signal.signal(each, _wait)
    raise Stopped(signal.Signals(number).name, number)


def _wait(_number: int, _frame: FrameType | None) -> None:
    """Take a second signal while the first is obeyed, which takes a moment."""
