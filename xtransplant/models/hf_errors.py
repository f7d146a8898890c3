"""How transformers is called to read a checkpoint: quietly, and with its errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging

from xtransplant.errors import ModelError

_LONGEST = 200


@contextmanager
def reading(what: str, remedy: str = "") -> Iterator[None]:
    """Silence transformers, and raise ModelError with one line that names `what` on its errors.

    `remedy` is added to the line: what the user may do.
    """
    with quiet():
        try:
            yield
        except Exception as error:  # damaged files raise whatever the parser stumbles over
            if "trust_remote_code" in str(error):
                raise ModelError(
                    f"{what!r} needs Python code that comes with it, which is not run unless "
                    "model.trust_remote_code=true is set; read it first"
                ) from error
            advice = f"; {remedy}" if remedy else ""
            raise ModelError(f"cannot read {what!r}: {one_line(error)}{advice}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Hide transformers' progress bars and warnings: what matters is checked and raised here."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the start of its message, on one line."""
    text = " ".join(str(error).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return f"{type(error).__name__}: {text}"
