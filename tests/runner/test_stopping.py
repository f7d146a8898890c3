import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from xtransplant.errors import Stopped
from xtransplant.runner.stopping import require_none, stopping


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGUSR1", 138), ("SIGUSR2", 140)])
def test_a_signal_is_raised_with_the_status_that_schedulers_know(name, status):
    number = getattr(signal, name)
    with pytest.raises(Stopped, match=name) as stopped, stopping():
        send(number)
    assert stopped.value.exit_status == status
    assert signal.getsignal(number) is signal.SIG_DFL


def test_ctrl_c_is_what_it_always_was():
    with pytest.raises(KeyboardInterrupt), stopping():
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_python_drops_in_a_finaliser_is_obeyed_at_the_next_safe_place(monkeypatch):
    class Finalised:
        def __del__(self):
            send(signal.SIGTERM)
            raise AssertionError("not reached")

    class Faulty:
        def __del__(self):
            raise ValueError("a fault of its own")

    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))
    with pytest.raises(Stopped), stopping():
        Finalised()
        assert told == []  # a traceback would tell of no fault
        Faulty()
        assert told == [ValueError]
        require_none()
    require_none()  # nothing is left of it
    Faulty()
    assert told == [ValueError, ValueError]


def test_a_second_signal_does_not_disturb_the_first():
    obeyed = False
    with pytest.raises(Stopped, match="SIGUSR1"), stopping():
        try:
            send(signal.SIGUSR1)
        finally:
            send(signal.SIGTERM)
            obeyed = True
    assert obeyed


def test_a_signal_that_another_handles_stays_theirs():
    seen = []
    before = signal.signal(signal.SIGUSR2, lambda number, _frame: seen.append(number))
    try:
        with stopping():
            send(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [signal.SIGUSR2]


def test_a_signal_that_ended_as_another_error_is_still_the_signal():
    with pytest.raises(Stopped, match="SIGTERM"), stopping():
        try:
            send(signal.SIGTERM)
        except Stopped:
            raise ImportError("half a module") from None
    with pytest.raises(ImportError), stopping():
        raise ImportError("of its own")


INTERRUPT_AT_IMPORT = """
import importlib.abc, os, signal, sys

class Interrupt(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.{signal})
            except BaseException:
                {then}

sys.meta_path.insert(0, Interrupt())
sys.argv = ["xtransplant", *{arguments!r}]
from xtransplant.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("then", ["raise", "raise ImportError('half a module')"])
@pytest.mark.parametrize("module", ["xtransplant.cli.app", "typer", "yaml"])
def test_ctrl_c_while_modules_are_imported_is_one_line(module: str, then: str) -> None:
    code = INTERRUPT_AT_IMPORT.format(
        module=module, then=then, signal="SIGINT", arguments=["ls", "grids"]
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (130, "error: interrupted\n", "")


@pytest.mark.parametrize(
    ("name", "status", "then"),
    [
        ("SIGTERM", 143, "raise"),
        ("SIGTERM", 143, "raise ImportError('half a module')"),
        ("SIGTERM", 143, "pass"),
        ("SIGUSR1", 138, "raise"),
        ("SIGINT", 130, "raise ImportError('half a module')"),
    ],
)
def test_a_signal_while_a_run_imports_what_it_needs(
    name: str, status: int, then: str, tmp_path: Path
) -> None:
    code = INTERRUPT_AT_IMPORT.format(
        module="xtransplant.runner.run",
        then=then,
        signal=name,
        arguments=["run", "limit=1", f"output_root={tmp_path}"],
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = "interrupted" if name == "SIGINT" else f"stopped by {name}"
    line = f"error: {said}; run the same command again to resume\n"
    assert (done.returncode, done.stderr, done.stdout) == (status, line, "")
    assert not list(tmp_path.iterdir())
