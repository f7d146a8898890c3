"""The exception tree; the command line prints a message as one line.

    XtransplantError                 everything below; exit status 2
    ├── ConfigError                  an unknown key, group or name, or a value of the wrong type
    ├── LayerError                   a layer outside 0..N-1, an empty or malformed grid
    ├── PromptError                  empty, one token, longer than the model's context
    ├── DataError                    a data file that is missing or malformed, an option marker lost
    ├── ModelError                   a checkpoint that cannot be found, read or understood
    ├── OutputError                  an output folder of another key, read-only, or full
    ├── NumericsError                NaN or infinite activations (layer and instance)
    └── MachineError                 memory that ran out, a device that failed; exit status 1

Every message holds the offending value, what is allowed, the nearest match where there is one, and
what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class XtransplantError(Exception):
    """A mistake that the user can mend; its message is one line."""

    exit_status = 2


class ConfigError(XtransplantError):
    """An unknown key, group or name in the configuration, or a value of the wrong type."""


class LayerError(XtransplantError):
    """A layer outside 0..N-1, or a grid without cells."""


class PromptError(XtransplantError):
    """A prompt the method cannot run on."""


class DataError(XtransplantError):
    """A data file that is missing or malformed."""


class ModelError(XtransplantError):
    """A checkpoint that cannot be found, read or understood."""


class OutputError(XtransplantError):
    """An output folder that cannot be used."""


class NumericsError(XtransplantError):
    """NaN or infinite activations."""


class MachineError(XtransplantError):
    """Memory of the host or of the device ran out, or the device failed."""

    exit_status = 1


class Stopped(BaseException):
    """A signal asks this process to end. Like KeyboardInterrupt, this is not an `Exception`.

    Attributes:
        exit_status: 128 plus the signal's number, the convention of shells and schedulers.
    """

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.exit_status = 128 + number


RESUME = "run the same command again to resume"
"""The remedy after a run was stopped."""

MANY = 60
"""Maximum number of names that a message lists."""


def unknown(kind: str, value: str, allowed: Iterable[str], hint: str = "") -> str:
    """Return the message for a value outside a set of names.

    >>> unknown("task", "xnil", ["pocket", "xnli"])
    "unknown task 'xnil'; allowed: pocket, xnli; nearest match: xnli"
    """
    names = sorted(allowed)
    close = get_close_matches(value, names, n=1, cutoff=0.4)
    shown = ", ".join(names)
    if len(names) > MANY:
        nearest = get_close_matches(value, names, n=5, cutoff=0)
        shown = f"{', '.join(nearest)}, … {len(names)} in all"
    parts = [f"unknown {kind} {value!r}", f"allowed: {shown}"]
    if close:
        parts.append(f"nearest match: {close[0]}")
    if hint:
        parts.append(hint)
    return "; ".join(parts)
