"""The authors' data format, on small folders in their layout; the sentences are made up here."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from xtransplant.config.compose import conf_dir
from xtransplant.config.schema import TaskConfig
from xtransplant.errors import DataError
from xtransplant.tasks.authors import Authors, recovered_cluster
from xtransplant.tasks.loaders import open_source
from xtransplant.tasks.markers import find_lost_marker
from xtransplant.types import Direction, Option

LABELS = {
    "en": ["Entail", "Neutral", "Contradict"],
    "fr": ["(1) Entraîner", "(2) Neutre", "(3) Contraire"],
    "zh": ["蕴涵", "中立", "矛盾"],
}
GOLDS = ["2", "3", "1"]


def prompt(language, row):
    opening, closing = ("（", "）") if language == "zh" else ("(", ")")
    options = "\n".join(f"{opening}{key}{closing} option" for key in "123")
    # U+2028 is a line break to str.splitlines, not to the format.
    return f"{language} row {row}\u2028?\n\n{options}\n\nAnswer:"


def write_lines(path: Path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), "utf-8")


def write_split(folder: Path, languages=("en", "fr", "zh")):
    for language in languages:
        write_lines(folder / "split" / f"{language}.json", [prompt(language, i) for i in range(3)])
        write_lines(folder / "ans" / f"{language}.json", GOLDS)
        labels = dict(zip("123", LABELS[language], strict=True))
        write_lines(folder / "ans_lang" / f"{language}.json", [labels])


@pytest.fixture
def data(tmp_path):
    write_split(tmp_path / "XNLI" / "XNLI_sample")
    return tmp_path


@pytest.fixture
def sample(data):
    return data / "XNLI" / "XNLI_sample"


def load(data_dir, language="fr", split="sample", direction=Direction.EN_TO_X):
    source = Authors("xnli", data_dir, "en")
    return [draft.build() for draft in source.lazy_instances(split, language, direction)]


def refused(data_dir, *arguments, **keywords):
    with pytest.raises(DataError) as error:
        load(data_dir, *arguments, **keywords)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_rows_of_two_languages_are_paired(data):
    instances = load(data)
    assert [i.id for i in instances] == ["xnli-sample-0001", "xnli-sample-0002", "xnli-sample-0003"]
    assert [i.gold for i in instances] == GOLDS
    assert [i.source for i in instances] == [prompt("en", row) for row in range(3)]
    assert [i.target for i in instances] == [prompt("fr", row) for row in range(3)]
    assert {(i.language, i.source_language, i.target_language) for i in instances} == {
        ("fr", "en", "fr")
    }
    assert instances[0].options == (
        Option("(1)", "(1) Entraîner"),
        Option("(2)", "(2) Neutre"),
        Option("(3)", "(3) Contraire"),
    )


def test_the_other_direction_answers_in_english(data):
    (first, *_) = load(data, direction=Direction.X_TO_EN)
    assert (first.source, first.target) == (prompt("fr", 0), prompt("en", 0))
    assert (first.language, first.source_language, first.target_language) == ("fr", "fr", "en")
    assert first.options == (
        Option("(1)", "Entail"),
        Option("(2)", "Neutral"),
        Option("(3)", "Contradict"),
    )


def test_the_pivot_itself(data):
    (first, *_) = load(data, "en")
    assert first.source == first.target == prompt("en", 0)


def test_parallel_rows_have_the_same_id_and_options_as_printed(data):
    french, chinese = load(data, "fr"), load(data, "zh")
    assert [i.id for i in french] == [i.id for i in chinese]
    assert [option.marker for option in chinese[0].options] == ["（1）", "（2）", "（3）"]
    assert [option.label for option in chinese[0].options] == LABELS["zh"]


@pytest.mark.parametrize("place", ["", "XNLI", "XNLI/XNLI_sample"])
def test_the_folder_or_a_parent_of_it(data, place):
    assert len(load(data / place)) == 3


def test_the_folder_may_have_any_name(sample, tmp_path):
    moved = shutil.move(sample, tmp_path / "mine")
    assert len(load(Path(moved))) == 3


def test_the_folder_of_another_split_is_not_this_split(sample, data):
    message = refused(sample, split="unseen")
    assert message.startswith(f"no xnli data of split 'unseen' at '{sample}'; looked for ")
    write_split(data / "XNLI" / "XNLI_unseen")
    assert load(data, split="unseen")[2].id == "xnli-unseen-0003"


def test_a_data_folder_that_is_not_there(tmp_path):
    assert refused(tmp_path / "no") == (
        f"no folder at task.data_dir='{tmp_path}/no'; give the folder XNLI_sample of the authors' "
        "release or a parent of it"
    )


def test_a_data_folder_without_the_task(tmp_path):
    assert refused(tmp_path) == (
        f"no xnli data of split 'sample' at '{tmp_path}'; looked for {tmp_path}/split, "
        f"{tmp_path}/XNLI_sample/split, {tmp_path}/XNLI/XNLI_sample/split; "
        "set task.data_dir to the folder XNLI_sample or a parent of it"
    )


def test_a_language_without_a_file(data, sample):
    assert refused(data, "fi") == (
        "unknown language 'fi'; allowed: en, fr, zh; "
        f"nearest match: fr; for lack of {sample}/split/fi.json"
    )


@pytest.mark.parametrize("part", ["ans", "ans_lang"])
def test_a_language_without_answers_or_labels(data, sample, part):
    (sample / part / "fr.json").unlink()
    message = refused(data)
    assert message.startswith("unknown language 'fr'; allowed: en, zh; ")
    assert message.endswith(f"for lack of {sample}/{part}/fr.json")
    shutil.rmtree(sample / part)
    assert refused(data) == f"no data files in {sample / part}; fr.json is needed there"


def break_line(path: Path, number: int, line: str | bytes):
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("file", "number", "line", "message"),
    [
        ("split/fr", 2, '"no end', "not valid JSON: '\"no end'"),
        ("split/fr", 3, "", "an empty line; delete it"),
        ("split/fr", 1, "plain text", "not valid JSON: 'plain text'"),
        ("split/fr", 1, b'"\xff"', "not text in UTF-8 (byte 0xff); save it as UTF-8"),
        ("split/fr", 1, r'"\ud800 (1) (2) (3)"', "not text: '\""),
        ("split/en", 2, '{"a": 1}', "expected a JSON string, found '{\"a\": 1}'"),
        ("split/fr", 2, "12", "expected a JSON string, found '12'"),
        ("split/fr", 2, '""', "empty prompt"),
        ("split/en", 3, r'" \n "', "empty prompt"),
        ("ans/fr", 3, '"4"', "unknown gold answer '4'; allowed: 1, 2, 3"),
        ("ans/fr", 1, '"(1)"', "unknown gold answer '(1)'; allowed: 1, 2, 3"),
        ("ans/fr", 2, "1", "expected a JSON string, found '1'"),
        ("ans_lang/fr", 1, '{"1": "a", "2": "b"}', "expected a JSON object with the keys 1, 2, 3"),
        ("ans_lang/fr", 1, '["a", "b", "c"]', "expected a JSON object with the keys 1, 2, 3"),
        ("ans_lang/fr", 1, '{"1": "a", "2": " ", "3": "c"}', "label ' ' of option 2 is not a text"),
        ("ans_lang/fr", 1, '{"1": "a", "2": "b", "3": 3}', "label 3 of option 3 is not a text"),
        ("ans_lang/fr", 1, '{"1": "a",\n "2": "b"\n "3"}', "not valid JSON: "),
    ],
)
def test_a_malformed_line_is_named(data, sample, file, number, line, message):
    path = sample / f"{file}.json"
    break_line(path, number, line)
    at = 3 if "\n" in str(line) else number  # JSON over several lines: where it breaks
    assert refused(data).startswith(f"{path}:{at}: {message}")


def test_a_long_line_is_shortened(data, sample):
    break_line(sample / "split" / "fr.json", 1, "x" * 1000)
    assert len(refused(data)) < len(str(sample)) + 120


@pytest.mark.parametrize("file", ["split/en", "split/fr", "ans/fr"])
def test_lists_of_different_length(data, sample, file):
    path = sample / f"{file}.json"
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:2]))
    other = "split/fr" if file != "split/fr" else "split/en"
    assert refused(data) == (
        f"{path}:2: ends after 2 lines, {sample}/{other}.json has 3; line i of one belongs to "
        "line i of the other: add the missing lines"
    )


def test_windows_line_ends_and_no_last_newline_are_fine(data, sample):
    path = sample / "split" / "fr.json"
    path.write_bytes(path.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))
    assert [i.target for i in load(data)] == [prompt("fr", row) for row in range(3)]


def fingerprint(folder):
    return Authors("xnli", folder, "en").fingerprint("sample")


def test_the_fingerprint_is_of_the_content(data, sample, tmp_path):
    before = fingerprint(data)
    assert len(before) == 64
    copy = tmp_path / "elsewhere" / "mine"
    shutil.copytree(sample, copy)
    (copy / "split" / ".DS_Store").write_text("not data")
    (copy / "README.md").write_text("not data")
    assert fingerprint(copy) == before

    for part in ("split", "ans", "ans_lang"):
        changed = tmp_path / f"changed-{part}"
        shutil.copytree(sample, changed)
        with (changed / part / "zh.json").open("ab") as file:
            file.write(b" ")
        assert fingerprint(changed) != before


def test_the_fingerprint_knows_which_file_content_is_in(sample):
    before = fingerprint(sample)
    (sample / "split" / "fr.json").rename(sample / "split" / "ga.json")  # the order stays
    assert fingerprint(sample) != before


def authors(name, data_dir):
    entry = yaml.safe_load((conf_dir() / "task" / f"{name}.yaml").read_text("utf-8"))
    task = TaskConfig(**{**entry, "data_dir": str(data_dir)})
    return task, open_source(task, "target", lambda *_: pytest.fail("asked for a translation"))


def every_language(name, data_dir):
    task, source = authors(name, data_dir)
    direction = Direction(task.direction)
    languages = task.data_dir_languages or task.languages
    return {
        language: [each.build() for each in source.lazy_instances("sample", language, direction)]
        for language in languages
    }


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def test_the_shipped_task_loads_the_authors_sample(reference):
    """14 languages of 50 rows: every prompt holds its markers, every gold answer is an option."""
    folder = reference / "data"
    present = sorted(p.stem for p in (folder / "XNLI/XNLI_sample/split").glob("*.json"))
    loaded = every_language("xnli", folder)
    assert {language: len(rows) for language, rows in loaded.items()} == dict.fromkeys(present, 50)
    golds = {tuple(instance.gold for instance in rows) for rows in loaded.values()}
    assert len(golds) == 1  # rows are parallel
    assert [instance.source for instance in loaded["sw"]] == [
        instance.target for instance in loaded["en"]
    ]
    assert {
        tuple(option.marker for option in instance.options)
        for rows in loaded.values()
        for instance in rows
    } == {("(1)", "(2)", "(3)")}
    assert not any(find_lost_marker(instance) for rows in loaded.values() for instance in rows)
    assert loaded["fr"][0].options[0].label == "(1)\u00a0Entraîner"
    assert loaded["zh"][49].options[2].label == "矛盾"


def test_the_authors_xquad(reference):
    folder = reference / "data" / "XQuAD" / "XQuAD_sample"
    loaded = every_language("xquad", reference / "data")
    assert len(loaded) == 12
    for language, rows in loaded.items():
        assert [i.target for i in rows] == lines(folder / "split" / f"xquad.{language}.json")
        assert [i.gold for i in rows] == lines(folder / "ans" / f"xquad.{language}.json")
        assert [i.source for i in rows] == lines(folder / "split" / "xquad.en.json")
        assert [i.source_gold for i in rows] == lines(folder / "ans" / "xquad.en.json")
        assert not any(i.options for i in rows)


def test_the_authors_xcopa_has_english_of_its_own_for_each_language(reference):
    folder = reference / "data" / "XCOPA" / "XCOPA_sample"
    loaded = every_language("xcopa", reference / "data")
    assert sorted(loaded) == sorted(path.stem for path in (folder / "en").glob("*.json"))
    for language, rows in loaded.items():
        assert [i.target for i in rows] == lines(folder / "split" / f"{language}.json")
        assert [i.source for i in rows] == lines(folder / "en" / f"{language}.json")
        assert [i.gold for i in rows] == lines(folder / "ans" / f"{language}.json")
    assert loaded["sw"][0].source != loaded["tr"][0].source


def test_the_authors_opinions_are_answered_in_english(reference):
    folder = reference / "data" / "GlobalOpinionQA" / "GlobalOpinionQA_sample"
    loaded = every_language("globalopinionqa", reference / "data")
    assert len(loaded) == 20
    for language, rows in loaded.items():
        english = lines(folder / "split" / f"{language}.json")
        assert [i.source for i in rows] == lines(folder / "translated" / f"{language}.json")
        assert [i.target for i in rows] == [row["input_text"] for row in english]
        assert [[o.share for o in i.options] for i in rows] == [row["label"] for row in english]
        assert [i.category for i in rows] == [row["country"] for row in english]
        for instance, row in zip(rows, english, strict=True):
            assert row["label"]["ABCDEFGHIJKLMNOPQ".index(instance.gold)] == max(row["label"])
    # Counted by hand with grep: Arabic and Greek letters took the place of all of theirs.
    lost = {
        language: sum(map(bool, map(find_lost_marker, rows))) for language, rows in loaded.items()
    }
    assert (lost["ar"], lost["el"], lost["am"], lost["sw"], lost["de"]) == (50, 50, 50, 0, 0)


def test_the_fingerprint_does_not_depend_on_the_parent_given(reference):
    folder = reference / "data" / "XNLI"
    assert fingerprint(folder) == fingerprint(folder / "XNLI_sample")


def test_rows_with_one_premise_are_a_cluster_the_same_in_every_language(data, sample):
    asked = [("A cat sat.", "It sat."), ("A cat sat.", "It ran."), ("A  dog\nsat.", "It sat.")]
    for language in ("en", "fr"):
        prompts = [
            f"{language}?\n\nPremise: {premise}\nHypothesis: {hypothesis}\n\n(1) (2) (3)"
            for premise, hypothesis in asked
        ]
        write_lines(sample / "split" / f"{language}.json", prompts)
    for direction in Direction:
        first, second, third = (one.cluster for one in load(data, direction=direction))
        assert first == second != third
        assert load(data, "en")[0].cluster == first  # read from the English prompt in both
    # In a wording that is not known each row stands alone.
    write_lines(sample / "split" / "en.json", ["a", "b", "c"])
    assert [one.cluster for one in load(data)] == ["", "", ""]


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].rpartition(end)[0]


@pytest.mark.parametrize(
    ("name", "start", "end", "n_clusters"),
    [
        ("xnli", "\nPremise: ", "\nHypothesis: ", 49),
        ("xquad", "\nContext: ", "\nQuestion: ", 47),
        ("globalopinionqa", "following question:\n", "\nHere are the options:", None),
        ("xcopa", None, None, 50),
    ],
)
def test_the_authors_rows_share_premise_passage_or_question(
    reference, name, start, end, n_clusters
):
    loaded = every_language(name, reference / "data")
    for language, instances in loaded.items():
        clusters = [one.cluster or one.id for one in instances]
        if n_clusters:
            assert len(set(clusters)) == n_clusters, language
        if start is None:
            continue
        shared = [
            between(one.source if one.source_language == "en" else one.target, start, end)
            for one in instances
        ]
        assert all(shared)
        # Two rows are of one cluster if and only if they have the text in common.
        texts = [" ".join(text.split()) for text in shared]
        assert len(set(zip(texts, clusters, strict=True))) == len(set(texts)) == len(set(clusters))


def test_a_cluster_that_was_not_stored_is_read_again(data, sample):
    prompts = [f"?\n\nPremise: P{n // 2}\nHypothesis: H{n}\n\n(1) (2) (3)" for n in range(3)]
    for language in ("en", "fr"):
        write_lines(sample / "split" / f"{language}.json", prompts)
    for direction in Direction:
        for instance in load(data, direction=direction):
            before = replace(instance, cluster="")
            assert recovered_cluster("xnli", "none", before) == instance.cluster != ""
            assert recovered_cluster("prompts", "none", before) == ""
            # The English prompt of this control is another instance's, where it is the source.
            found = recovered_cluster("xnli", "random_instance", before)
            assert found == (instance.cluster if direction is Direction.X_TO_EN else "")
