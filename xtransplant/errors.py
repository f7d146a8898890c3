"""The exception tree; the command line prints each message as one line.

    XtransplantError                 everything below; exit status 2
    ├── ConfigError                  an unknown key, group or name; a value of the wrong type
    ├── LayerError                   a layer outside 0..N-1, an empty or malformed grid
    ├── PromptError                  empty, one token, longer than the model's context
    ├── DataError                    a missing or malformed data file, a lost option marker
    ├── ModelError                   a checkpoint that cannot be found, read or understood
    ├── OutputError                  an output folder of another key, read-only, or full
    ├── NumericsError                NaN or infinite activations (names layer and instance)
    └── MachineError                 out of memory, a failed device; exit status 1

Every message holds the offending value, what is allowed, the nearest match where there is one, and
what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class XtransplantError(Exception):
    """An error that the user can fix; its message is one line."""

    exit_status = 2


class ConfigError(XtransplantError):
    """An unknown key, group or name in the configuration, or a value of the wrong type."""


class LayerError(XtransplantError):
    """A layer outside 0..N-1, or a grid without cells."""


class PromptError(XtransplantError):
    """A prompt that the method cannot be applied to."""


class DataError(XtransplantError):
    """A data file that is missing or malformed."""


class ModelError(XtransplantError):
    """A checkpoint that cannot be found, read or understood."""


class OutputError(XtransplantError):
    """An output folder that cannot be used."""


class NumericsError(XtransplantError):
    """NaN or infinite activations."""


class MachineError(XtransplantError):
    """The host or the device ran out of memory, or the device failed."""

    exit_status = 1


class Stopped(BaseException):
    """A signal asked this process to end. Not an `Exception`, like KeyboardInterrupt.

    Attributes:
        exit_status: 128 plus the signal's number, as is the convention of shells and schedulers.
    """

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.exit_status = 128 + number


RESUME = "run the same command again to resume"
"""What to do after a run was stopped."""

MANY = 60
"""Maximum number of names that a message lists."""


def unknown(kind: str, value: str, allowed: Iterable[str], hint: str = "") -> str:
    """Return the error message for a name that is not among the allowed ones.

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
