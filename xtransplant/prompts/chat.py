"""A question as the user's turn of a chat, by the template that comes with a tokenizer.

A template is a program by somebody else: it runs in jinja's sandbox, for a bounded time and in
bounded memory, and whatever it raises is told in one line.
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
"""The day and time for templates that print them, so that a prompt is the same tomorrow.

It is the date that Llama 3.1's template prints where it is told none.
"""

DATE = re.compile(r"strftime_now(?!\s+is\s)")
"""Where a chat template prints the date; it may also ask whether it can."""

_LETTERS = "aAwdbBmyYHIpMSfzZjUWcxXGueFTDR"
DIRECTIVES = [
    f"%{sign}{letter}" for sign in ("-", "") for letter in "aAwdbBmyYHIpMSfzZjUWcxXGueFTDR"
]
"""What a form of the date may hold; "%-d" is a day without its zero."""

SECONDS = 10.0
BYTES = 1 << 30
MOST_CHARACTERS = 1_000_000
"""What a template may take, and make of a question beside its own text."""

INSTEAD = "set prompt.style=plain or few_shot"


def render_chat(tokenizer: Any, text: str) -> tuple[str, tuple[int, ...]]:
    """Return a text as the user's turn, up to where the answer begins, and its ids.

    The ids are those that transformers gives: the template alone decides about special tokens, and
    control tokens that stand in the text itself are read as text. A template that prints the date
    prints `CHAT_DATE`.

    Raises:
        PromptError: no template, or one that fails or does not end.
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
    except Exception as error:  # whatever somebody else's program stumbles over
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise PromptError(f"the tokenizer's chat template fails: {reason}; {INSTEAD}") from error
    return shown, tuple(ids)


def on_one_day(template: str) -> str:
    """Return a chat template that prints `CHAT_DATE` where it would print the date.

    A macro takes the place of the function, because transformers makes plain data of all arguments.
    """
    if not DATE.search(template):
        return template
    filled = "".join(
        f"|replace({directive!r}, {CHAT_DATE.strftime(directive)!r})" for directive in DIRECTIVES
    )
    # jinja takes out the line break after a block.
    return f"{{% macro strftime_now(format) %}}{{{{ format{filled} }}}}{{% endmacro %}}\n{template}"


@contextmanager
def _bounded() -> Iterator[None]:
    """Raise inside, where the system allows it, after too long a time or too much memory."""

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
    """Return the bytes that this process has mapped, None where the system does not tell."""
    import resource

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return pages * resource.getpagesize()
