"""Tables of names and handlers: a gap or a repetition is an error at once."""

from types import SimpleNamespace

import pytest

from xtransplant.registry import by_name, handlers


def test_entries_are_found_by_name_in_their_order():
    first, second = SimpleNamespace(name="b"), SimpleNamespace(name="a")
    assert list(by_name([first, second]).items()) == [("b", first), ("a", second)]


def test_a_name_is_given_once():
    with pytest.raises(RuntimeError, match="'a' is registered twice"):
        by_name([SimpleNamespace(name="a"), SimpleNamespace(name="a")])


def test_handlers_come_in_the_order_of_the_values():
    assert list(handlers("key", ("b", "a"), {"a": 1, "b": 2}).items()) == [("b", 2), ("a", 1)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("a", "b", "c"), "key: no handler for c"),
        (("a",), "key: handlers of unknown values: b"),
    ],
)
def test_values_and_handlers_are_the_same(values, message):
    with pytest.raises(RuntimeError, match=message):
        handlers("key", values, {"a": 1, "b": 2})
