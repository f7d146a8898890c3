import os
import signal
import sys

import pytest

from xtransplant.errors import Stopped
from xtransplant.signals import require_none, stopping


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

    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    with pytest.raises(Stopped), stopping():
        Finalised()
        assert len(dropped) == 1
        require_none()
    require_none()  # nothing is left of it


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
