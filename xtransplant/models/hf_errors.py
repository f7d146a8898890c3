"""Calls of transformers without its output, and with one-line errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging

from xtransplant.errors import ModelError
from xtransplant.models.machine import machine_problem

_LONGEST = 200


@contextmanager
def one_line_errors(what: str, remedy: str = "") -> Iterator[None]:
    """Silence transformers in this block, and turn its errors into one-line errors.

    Args:
        what: name of the thing that is read, for the message.
        remedy: advice at the end of the message.

    Raises:
        ModelError: transformers raised an exception. Failures of the machine are left as they are.
    """
    with quiet():
        try:
            yield
        except Exception as error:  # damaged files raise all kinds of errors
            if machine_problem(error):
                raise
            if "trust_remote_code" in str(error):
                raise ModelError(
                    f"{what!r} needs Python code that comes with it, which is not run unless "
                    "model.trust_remote_code=true is set; read it first"
                ) from error
            advice = f"; {remedy}" if remedy else ""
            raise ModelError(f"cannot read {what!r}: {error_line(error)}{advice}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Hide transformers' progress bars and warnings; the package has its own checks."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def error_line(error: BaseException) -> str:
    """Return an error's class and the start of its message, on one line."""
    text = " ".join(str(error).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return f"{type(error).__name__}: {text}"
