"""Settings in call notation: `option`, `regex(pattern="a, b", ignore_case=True)`, or lists of them.

The syntax is Python's, limited to keyword arguments with literal values. Nothing is executed.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

from xtransplant.errors import ConfigError

TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | (?:[^\W\d]\w*)?[(\[{] | [)\]},]""", re.VERBOSE
)
"""A string, an opening bracket with the name before it, a closing bracket, or a comma."""


def split(text: str) -> list[str]:
    """Split a list such as `option,regex(pattern="a,b")` into its settings.

    Square brackets around the list are optional. Commas inside strings and brackets do not split.
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    parts, start, depth = [], 0, 0
    for token in TOKEN.finditer(text):
        depth += _depth_change(token[0])
        if token[0] == "," and depth == 0:
            parts.append(text[start : token.start()])
            start = token.end()
    return [part.strip() for part in (*parts, text[start:])]


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Return a setting's name and arguments, such as ("regex", {"pattern": "a"}).

    Raises:
        ConfigError: something other than NAME or NAME(ARGUMENT=VALUE, …) with literal values.
    """
    text = text.strip()
    if "(" not in text:
        return text, {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's warning about "\d" instead of "\\d"
            call = ast.parse(text, mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args:
            values = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
            arguments = {name: value for name, value in values.items() if name is not None}
            if len(arguments) == len(call.keywords):  # no repeated name, no **
                return call.func.id, arguments
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # reported below
    raise ConfigError(
        f"cannot read {text!r}; allowed: NAME or NAME(ARGUMENT=VALUE, …), where values are quoted "
        'texts, numbers, True or False, such as regex(pattern="answer: (.*)")'
    )


def spell(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a name and arguments in call notation, on one line; the inverse of `parse`."""
    if not arguments:
        return name
    shown = (f"{argument}={_literal(value)}" for argument, value in arguments.items())
    return f"{name}({', '.join(shown)})"


def quote_calls(text: str, quote: Callable[[str], str], functions: Collection[str]) -> str:
    """Return a text with each outermost call quoted.

    Args:
        text: value of an override, as typed.
        quote: function that puts a call in quotes.
        functions: names of calls that are not quoted; calls among their arguments are.
    """
    parts, done, start, depth = [], 0, 0, 0
    for token in TOKEN.finditer(text):
        mark = token[0]
        if depth == 0:
            name = mark[:-1] if mark.endswith("(") else ""
            if name and name not in functions:
                start, depth = token.start(), 1
            continue
        depth += _depth_change(mark)
        if depth == 0:
            parts += [text[done:start], quote(text[start : token.end()])]
            done = token.end()
    return "".join([*parts, text[done:]])


def _depth_change(token: str) -> int:
    if token[-1] in "([{":
        return 1
    return -1 if token in (")", "]", "}") else 0


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
