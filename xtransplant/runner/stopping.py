"""Signals that ask a run to end: the current part is dropped and its lease given back."""

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
"""Signals that stop a run. Slurm sends SIGTERM at the end of a job's time, and a signal before that
if `--signal` is set."""

_come: list[int] = []
"""The received signal; it is remembered because exceptions raised in `__del__` are lost."""

_interrupts: list[int] = []
"""The SIGINTs received since `note_interrupts`."""


def note_interrupts() -> None:
    """Remember every SIGINT from now on; KeyboardInterrupt is raised as before.

    Some libraries catch it while they are imported, and fail later with another error.
    """
    signal.signal(signal.SIGINT, _interrupt)


def interrupted() -> bool:
    """Return whether SIGINT was received since `note_interrupts`."""
    return bool(_interrupts)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _interrupts.append(number)
    raise KeyboardInterrupt


UNHANDLED = (signal.SIG_DFL, signal.default_int_handler, _interrupt)


@contextmanager
def stopping() -> Iterator[None]:
    """Raise `Stopped`, or KeyboardInterrupt for SIGINT, if such a signal arrives in this block.

    A signal that already has a handler is left alone: submitit uses some to requeue its jobs.
    """
    if threading.current_thread() is not threading.main_thread():  # Python allows no handlers
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

    sys.unraisablehook = tell_others  # our own signals need no traceback
    try:
        yield
    except Exception as error:
        require_none(error)  # a signal during an import can appear as another error
        raise
    finally:
        for number in ours:
            signal.signal(number, earlier[number])
        sys.unraisablehook = hook
        _come.clear()


def require_none(cause: Exception | None = None) -> None:
    """Raise the exception of a received signal if it was lost; call this at safe places in a loop.

    Args:
        cause: exception that was raised instead.
    """
    if _come:
        raise _exception(_come[0]) from cause


def _stop(number: int, _frame: FrameType | None) -> None:
    if not _come:  # while the first signal is handled, further ones are ignored
        _come.append(number)
        raise _exception(number)


def _exception(number: int) -> BaseException:
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    return Stopped(signal.Signals(number).name, number)
