"""A question as the user's turn of a chat, rendered with the tokenizer's chat template.

A template is third-party code. It runs in jinja's sandbox with limits on time and memory, and any
error in it is reported in one line.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from xtransplant.errors import PromptError

CHAT_DATE = datetime(2024, 7, 26)
"""The fixed date for templates that print one, so that prompts do not change from day to day.

It is the default date of Llama 3.1's template.
"""

DATE = re.compile(r"strftime_now(?!\s+is\s)")
"""A use of `strftime_now` in a chat template, other than the test whether it is defined."""

_LETTERS = "aAwdbBmyYHIpMSfzZjUWcxXGueFTDR"
DIRECTIVES = [
    f"%{sign}{letter}" for sign in ("-", "") for letter in "aAwdbBmyYHIpMSfzZjUWcxXGueFTDR"
]
"""Directives of date formats; "%-d" is a day without a leading zero."""

SECONDS = 10.0
BYTES = 1 << 30
MOST_CHARACTERS = 1_000_000
"""Limits on a template's time (seconds), memory (bytes) and text beyond the question's own."""

INSTEAD = "set prompt.style=plain or few_shot"


def render_chat(tokenizer: Any, text: str) -> tuple[str, tuple[int, ...]]:
    """Return a text as the user's turn, up to the beginning of the answer, and its token ids.

    The ids are those of transformers: the template alone decides about special tokens, and control
    tokens in the question's text are read as plain text. A template that prints the date prints
    `CHAT_DATE`.

    Raises:
        PromptError: the tokenizer has no template, or the template fails or does not end.
    """
    if not tokenizer.chat_template:
        raise PromptError(f"the tokenizer has no chat template; {INSTEAD}")
    arguments: dict[str, Any] = {
        "conversation": [{"role": "user", "content": text}],
        "add_generation_prompt": True,
        "return_dict": False,
    }
    try:
        with _bounded():
            arguments["chat_template"] = on_one_day(tokenizer.get_chat_template())
            shown = tokenizer.apply_chat_template(**arguments, tokenize=False)
            if len(shown) > len(text) + MOST_CHARACTERS:
                raise ValueError(f"it makes {len(shown):,} characters of {len(text):,}")
            ids = tokenizer.apply_chat_template(**arguments, sanitize_control_tokens=True)
    except Exception as error:  # third-party code can raise anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PromptError(f"the tokenizer's chat template fails: {reason}; {INSTEAD}") from error
    return shown, tuple(ids)


def on_one_day(template: str) -> str:
    """Return a chat template that prints `CHAT_DATE` instead of the current date.

    A macro replaces the function, because transformers does not accept functions as arguments.
    """
    if not DATE.search(template):
        return template
    filled = "".join(
        f"|replace({directive!r}, {CHAT_DATE.strftime(directive)!r})" for directive in DIRECTIVES
    )
    # jinja removes the line break after a block.
    return f"{{% macro strftime_now(format) %}}{{{{ format{filled} }}}}{{% endmacro %}}\n{template}"


@contextmanager
def _bounded() -> Iterator[None]:
    """Limit time and memory of the code inside, if the system and the thread allow it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it does not end in {SECONDS:.0f} s")

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    import resource

    earlier = signal.signal(signal.SIGALRM, stop)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        if (used := _address_space()) is not None:
            most = used + BYTES
            if limits[0] == resource.RLIM_INFINITY or limits[0] > most:
                resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, earlier)


def _address_space() -> int | None:
    """Return the number of bytes that this process has mapped; None if it is not known."""
    import resource

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return pages * resource.getpagesize()
