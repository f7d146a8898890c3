"""Signals that ask a run to end: the part in work is dropped, its lease given back."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from xtransplant.errors import Stopped

STOPPING = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""Slurm sends SIGTERM at the end of a job's time, and before it the one asked for by `--signal`."""

_come: list[int] = []
"""The signal that came; Python drops what is raised while it tidies up objects, so it is kept."""


_interrupts: list[int] = []
"""SIGINTs since `note_interrupts`."""


def note_interrupts() -> None:
    """Remember from now on that SIGINT came, beside raising KeyboardInterrupt as Python does.

    Libraries drop what is raised in some of their imports, and fail later of half a module.
    """
    signal.signal(signal.SIGINT, _interrupt)


def interrupted() -> bool:
    """Return whether SIGINT came since `note_interrupts`."""
    return bool(_interrupts)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _interrupts.append(number)
    raise KeyboardInterrupt


UNHANDLED = (signal.SIG_DFL, signal.default_int_handler, _interrupt)


@contextmanager
def stopping() -> Iterator[None]:
    """Raise `Stopped`, or KeyboardInterrupt for SIGINT, inside where such a signal comes.

    A signal that somebody else handles stays theirs: submitit requeues its jobs by them.
    """
    if threading.current_thread() is not threading.main_thread():  # Python refuses handlers there
        yield
        return
    earlier = {number: signal.getsignal(number) for number in STOPPING}
    ours = [number for number, handler in earlier.items() if handler in UNHANDLED]
    for number in ours:
        signal.signal(number, _stop)
    hook = sys.unraisablehook

    def tell_others(dropped: sys.UnraisableHookArgs) -> None:
        if not (_come and isinstance(dropped.exc_value, Stopped | KeyboardInterrupt)):
            hook(dropped)

    sys.unraisablehook = tell_others  # ours are kept and obeyed; a traceback would tell of no fault
    try:
        yield
    except Exception as error:
        require_none(error)  # an import that a signal cuts short fails of something else
        raise
    finally:
        for number in ours:
            signal.signal(number, earlier[number])
        sys.unraisablehook = hook
        _come.clear()


def require_none(cause: Exception | None = None) -> None:
    """Raise for a signal that came, if what it raised then was lost; for safe places in a loop.

    Args:
        cause: what was raised instead, as by an import that was cut short.
    """
    if _come:
        raise _exception(_come[0]) from cause


def _stop(number: int, _frame: FrameType | None) -> None:
    if not _come:  # a second one is ignored while the first is obeyed, which takes a moment
        _come.append(number)
        raise _exception(number)


def _exception(number: int) -> BaseException:
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    return Stopped(signal.Signals(number).name, number)
