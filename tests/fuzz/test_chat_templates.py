"""Chat templates are programs by others: each gives ids in bounded time, or is told in one line."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_checkpoint import tokenizer

from xtransplant.errors import PromptError
from xtransplant.prompts import chat
from xtransplant.prompts.chat import render_chat

PIECES = [
    *(
        "{{ messages[0].content }}",
        "{{ messages[0]['content'] | trim }}",
        "{{ bos_token }}",
        "text",
    ),
    *("{% for m in messages %}", "{% endfor %}", "{{ m.role }}", "{{ 1/0 }}", "{{ messages + 3 }}"),
    *("{% if add_generation_prompt %}", "{% endif %}", "{{ raise_exception('no\\nno') }}", "{{"),
    *("{{ strftime_now('%d %b %Y') }}", "{{ nothing.at.all }}", "{% set ns = namespace(a=1) %}"),
    *("{{ 'a' * 10**9 }}", "{{ range(10**9) | list }}", "{% for i in range(10**9) %}", "}}", "{%"),
    *("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ ''.__class__.__mro__ }}", "<s>", "é"),
    *("{{ messages | tojson }}", "{{ messages.append(1) }}", "{% include 'x' %}", "{# a #}", "\0"),
    *("{{ 9 ** 9 ** 9 }}", "{{ 'a'.join(messages) }}", "{{ messages[7].content }}", "{{ loop }}"),
]
ODD_TEMPLATES = [
    0,
    3.5,
    True,
    [],
    ["x"],
    {"a": "x"},
    {"default": 3},
    [{"name": "a", "template": 1}],
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(chat, "SECONDS", 0.2)
    monkeypatch.setattr(chat, "BYTES", 1 << 28)
    yield


def rendered(template: object, text: str = "Where?") -> tuple[str, tuple[int, ...]] | None:
    made = tokenizer()
    made.chat_template = template
    start = time.monotonic()
    try:
        return render_chat(made, text)
    except PromptError as error:
        assert "\n" not in str(error)
        assert str(error).endswith("; set prompt.style=plain or few_shot")
        return None
    finally:
        assert time.monotonic() - start < 5


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join))
def test_any_template_gives_ids_or_is_told(template: str) -> None:
    if found := rendered(template):
        shown, ids = found
        assert all(type(token) is int for token in ids)
        if "strftime_now" in template and "%" not in shown:
            assert rendered(template) == found  # also tomorrow: the date is not today's


@pytest.mark.parametrize("template", ODD_TEMPLATES, ids=repr)
def test_a_template_of_another_type_is_told(template: object) -> None:
    assert rendered(template) is None


@given(st.lists(st.sampled_from(["<s>", "</s>", "<unk>", "a", " "]), max_size=5).map("".join))
def test_no_text_becomes_a_control_token(text: str) -> None:
    found = rendered("[{{ messages[0].content }}]", text)
    assert found is not None
    assert not {1, 2} & set(found[1])
    assert found[0] == f"[{text}]"
