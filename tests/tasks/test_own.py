"""Prompts of one's own: a line, what is wrong with it, and prompts that are translated."""

import json

import pytest

from xtransplant.config.compose import compose
from xtransplant.errors import ConfigError, DataError
from xtransplant.tasks.load import load_data
from xtransplant.types import Instance, Option

ROW = {"id": "1", "language": "sw", "source": "Capital?", "target": "Mji mkuu?", "gold": "Dodoma"}
CHOICE = {
    **{"id": "2", "language": "sw", "source": "Q\n(A) x\n(B) y", "target": "S\n(A) x\n(B) y"},
    **{"gold": "B", "options": ["(A)", "(B)"], "category": "c", "cluster": "k"},
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "my file.jsonl"


def write(file, *rows):
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("".join(line + "\n" for line in lines), "utf-8")


def configured(file, *overrides):
    return compose(["task=prompts", f"task.file='{file}'", *overrides])


def test_an_id_in_other_code_points_is_the_same_id(file):
    write(file, {**ROW, "id": "caf\u00e9"}, {**ROW, "id": "cafe\u0301"})
    with pytest.raises(DataError, match=r":2: id 'caf.+' of language 'sw' is also in line 1"):
        load_data(configured(file))


def test_rows_become_instances(file):
    french = {**ROW, "language": "fr", "aliases": ["Dar es Salaam"]}
    write(file, ROW, french, CHOICE)
    config = configured(file)
    assert (config.languages, config.split) == (["sw", "fr"], "all")
    rows = load_data(config).instances
    assert rows["sw"][0] == Instance("1", "sw", "en", "sw", "Capital?", "Mji mkuu?", "Dodoma")
    assert rows["fr"][0].aliases == ("Dar es Salaam",)
    choice = rows["sw"][1]
    assert choice.options == (Option("(A)"), Option("(B)"))
    assert (choice.gold, choice.category, choice.cluster) == ("B", "c", "k")
    (other, _) = load_data(configured(file, "direction=x_to_en", "languages=[sw]")).instances["sw"]
    assert (other.source, other.source_language, other.target_language) == ("Capital?", "sw", "en")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "2"', 'not valid JSON: \'{"id": "2"\''),
        ("", "an empty line; delete it"),
        ("[" * 10**5 + "]" * 10**5, "not valid JSON: '[[["),
        ("[1]", "expected a JSON object with id, language, source, target, gold"),
        ({**ROW, "id": 2}, "field 'id' must be a text, not 2"),
        ({**ROW, "id": "2", "gold": " "}, "field 'gold' must be a text, not ' '"),
        ({**ROW, "id": "2", "source": None}, "field 'source' must be a text, not None"),
        ({**ROW, "id": "2", "glod": "x"}, "unknown field 'glod'; allowed: "),
        ({**CHOICE, "options": "(A)"}, "field 'options' must be a list of texts, not '(A)'"),
        ({**CHOICE, "options": ["(A)", ""]}, "field 'options' must be a list of texts, not "),
        ({**CHOICE, "options": ["(A)", "A."]}, "options (A), A. are not all different"),
        ({**CHOICE, "options": ["(A)", "()"]}, "option '()' has no key; allowed: such as '(A)'"),
        ({**CHOICE, "gold": "C"}, "unknown gold answer 'C'; allowed: A, B"),
        ({**CHOICE, "target": "(A) x"}, "option marker (B) is missing from the target prompt"),
        ({**CHOICE, "cluster": 3}, "field 'cluster' must be a text, not 3"),
        (ROW, "id '1' of language 'sw' is also in line 1; give each instance its own"),
        ({**ROW, "id": "1 "}, "id '1 ' of language 'sw' is also in line 1; give each instance"),
        ({**ROW, "id": "1\u200b"}, r"id '1\u200b' of language 'sw' is also in line 1; give each"),
        ('{"id": "2", "gold": "a", "id": "3"}', "key 'id' appears twice; keep one"),
        ('{"id": "2", "gold": {"a": 1, "a": 1}}', "key 'a' appears twice; keep one"),
    ],
)
def test_a_bad_line_is_named(file, line, message):
    write(file, ROW, line)
    with pytest.raises(DataError) as error:
        load_data(configured(file, "languages=[sw]"))
    assert str(error.value).startswith(f"{file}:2: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_said_to_be_so(file, content):
    file.write_bytes(content)
    with pytest.raises(DataError) as error:
        configured(file)
    assert str(error.value) == f"{file} is empty; it needs a line of JSON"


@pytest.mark.parametrize(("encoding", "byte"), [("utf-16", "0xff"), ("latin-1", "0xe9")])
def test_a_file_in_another_encoding_is_said_to_be_so(file, encoding, byte):
    file.write_bytes(json.dumps({**ROW, "gold": "é"}, ensure_ascii=False).encode(encoding))
    with pytest.raises(DataError) as error:
        configured(file)
    assert str(error.value) == f"{file}:1: not text in UTF-8 (byte {byte}); save it as UTF-8"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "expected a JSON object with id, language, source, target, gold"),
        ({**ROW, "language": ""}, "field 'language' must be a text, not ''"),
        ({"id": "2"}, "field 'language' must be a text, not None"),
        (
            {**ROW, "language": "../sw"},
            "field 'language' must be a code such as sw or zh-CN, not '../sw'",
        ),
    ],
)
def test_a_line_without_a_language_is_named_where_none_was_asked_for(file, line, message):
    write(file, ROW, line)
    with pytest.raises(DataError) as error:
        configured(file)
    assert str(error.value) == f"{file}:2: {message}"


def test_lost_markers_of_ones_own_prompts_may_be_kept_or_dropped(file):
    lost = {**CHOICE, "id": "3", "source": "Q\n(A) x"}
    write(file, CHOICE, lost)
    with pytest.raises(DataError) as error:
        load_data(configured(file))
    assert str(error.value) == (
        f"{file}:2: option marker (B) is missing from the source prompt; add it, or set "
        "task.lost_markers=keep or =drop"
    )
    for choice, ids in (("keep", ["2", "3"]), ("drop", ["2"])):
        data = load_data(configured(file, f"task.lost_markers={choice}"))
        assert [i.id for i in data.instances["sw"]] == ids and data.lost_markers == {"sw": ["3"]}


def test_a_file_of_the_pivot_alone_is_told_what_to_ask_for(file):
    write(file, {**ROW, "language": "en"})
    with pytest.raises(ConfigError) as error:
        configured(file)
    assert str(error.value) == (
        "task prompts: languages=all selects none, because its only language 'en' is on the other "
        "side of every pair; name it: languages=[en]"
    )
    assert configured(file, "languages=[en]").languages == ["en"]


def test_a_file_of_a_windows_editor_is_read(file):
    rows = [json.dumps({**ROW, "id": id, "gold": "é"}, ensure_ascii=False) for id in "12"]
    file.write_bytes("\r\n".join([*rows, ""]).encode("utf-8-sig"))
    assert [(i.id, i.gold) for i in load_data(configured(file)).instances["sw"]] == [
        ("1", "é"),
        ("2", "é"),
    ]


def test_no_file_or_none_there(file):
    with pytest.raises(DataError, match=r"^task prompts has no file; give one: task.file=my.jsonl"):
        compose(["task=prompts"])
    with pytest.raises(DataError, match=r"^no file at task.file='.*'; check the path$"):
        configured(file)


def test_a_language_may_look_like_a_number(file):
    write(file, {**ROW, "language": "7"})
    config = configured(file, "languages=[7]")
    assert config.languages == ["7"]
    assert load_data(config).instances["7"][0].language == "7"


def test_a_language_the_file_does_not_have(file):
    write(file, ROW)
    with pytest.raises(ConfigError, match="unknown language 'fr'; allowed: sw"):
        configured(file, "languages=[fr]")


def test_splits_are_drawn_from_the_file(file):
    write(file, *({**ROW, "id": str(n)} for n in range(9)))
    ids = {
        split: {i.id for i in load_data(configured(file, f"split={split}", size)).instances["sw"]}
        for size in ["task.sample_size=4"]
        for split in ("sample", "unseen", "all")
    }
    assert len(ids["sample"]) == 4 and ids["sample"].isdisjoint(ids["unseen"])
    assert ids["sample"] | ids["unseen"] == ids["all"]


def test_a_prompt_that_is_left_out_is_translated_around_its_markers(file):
    write(file, {**CHOICE, "source": "Which one?\n\nOptions: (A) x (B) y\n(C)", "target": None})
    data = load_data(configured(file), lambda text, language: f"<{language} {text}>")
    (row,) = data.instances["sw"]
    assert row.target == "<sw Which one?>\n\n<sw Options:> (A) <sw x> (B) <sw y>\n<sw (C)>"
    assert row.machine_translated and row.source.startswith("Which one?")
