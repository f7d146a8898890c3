"""Strategies of hypothesis for files that were damaged, and for values of another type."""

import json
from typing import Any

from hypothesis import strategies as st

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", ".", "../x", "\ud800", "\x1b[31m", "1e5", "null", "\u202e", "0" * 300]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any value of JSON, with some that are more likely to hurt."""


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Return the content with bytes flipped, cut out, put in or repeated, one to three times."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 1, 2, 5, 64, 10**9])))
        piece = content[start:end]
        new = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from([b"", b"\n", b"[" * 3000, b"{", b"\xff", b"\0", piece * 2]),
                st.just(bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in piece[:4])),
            )
        )
        content = content[:start] + new + content[end:]
    return content


@st.composite
def swapped(draw: st.DrawFn, value: Any) -> Any:
    """Return the value with one of its parts replaced by any other value, left out or repeated."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 5)) == 0:
            return {key: each for key, each in value.items() if key != name}
        return value | {name: draw(swapped(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(swapped(value[place])), *value[place + 1 :]]
    return draw(VALUES)


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON, lone surrogates and NaN included."""
    return json.dumps(value).encode()
