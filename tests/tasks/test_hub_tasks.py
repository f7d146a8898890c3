"""Every task of the hub, read by `load_dataset` from made-up rows in its own layout."""

from pathlib import Path

import datasets
import hub_folders
import pandas as pd
import pytest
import yaml

from xtransplant.config.compose import compose, conf_dir
from xtransplant.errors import ConfigError, DataError
from xtransplant.runner.plan import data_remarks
from xtransplant.tasks.hub_task import Reader
from xtransplant.tasks.load import load_data
from xtransplant.tasks.shots import BETWEEN
from xtransplant.types import Instance, Option

MKQA_LANGUAGES = yaml.safe_load((conf_dir() / "task" / "mkqa.yaml").read_text("utf-8"))["languages"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "datasets")
    monkeypatch.setenv("XTRANSPLANT_CACHE", str(folder / "xtransplant"))


def load(task: str, folder: Path, *overrides: str) -> dict[str, list[Instance]]:
    return load_data(
        compose([f"task={task}", f"task.id='{folder}'", "split=all", *overrides])
    ).instances


def test_xnli(tmp_path):
    rows = load("xnli", hub_folders.xnli(tmp_path), "languages=[fr,th]")
    assert [i.id for i in rows["fr"]] == [i.id for i in rows["th"]]
    second = rows["fr"][1]
    assert second.source == (
        "How does the hypothesis relate to the premise?\n\n"
        "Premise: en premise 0\nHypothesis: en hypothesis 1\n\n"
        "(1) Entailment\n(2) Neutral\n(3) Contradiction\n\n"
        "Choose one option only: (1), (2), (3)\nAnswer:"
    )
    assert second.target == (
        "Quelle est la relation entre la prémisse et l'hypothèse ?\n\n"
        "Prémisse : fr premise 0\nHypothèse : fr hypothesis 1\n\n"
        "(1) Implication\n(2) Neutralité\n(3) Contradiction\n\n"
        "Choisissez une seule option : (1), (2), (3)\nRéponse :"
    )
    assert second.options == (
        Option("(1)", "Implication"),
        Option("(2)", "Neutralité"),
        Option("(3)", "Contradiction"),
    )
    assert [i.gold for i in rows["fr"]] == ["2", "3", "1", "2", "3", "1"]
    clusters = [i.cluster for i in rows["fr"]]
    assert clusters[0] == clusters[2] != clusters[3] == clusters[5]
    assert clusters == [i.cluster for i in rows["th"]]  # of the English premise


def test_xnli_leaves_out_what_is_another_hypothesis_than_the_english_one(tmp_path):
    def rows(*labels: int):
        return "test", [{"premise": "p", "hypothesis": f"h{n}", "label": n} for n in labels]

    folder = hub_folders.write_dataset(
        tmp_path, {"en": rows(0, 1, 2, 0), "fr": rows(0, 2, 1, 0), "th": rows(0, 1, 2, 0)}
    )
    config = compose(["task=xnli", f"task.id='{folder}'", "split=all", "languages=[fr,th]"])
    found = load_data(config)
    assert [i.id for i in found.instances["fr"]] == ["xnli-00000", "xnli-00003"]
    assert [i.id for i in found.instances["th"]] == [f"xnli-0000{n}" for n in range(4)]
    assert found.lacking == {"fr": 2}
    other = {"licence": "", "machine_translated": False, "unread_aliases": [], "ends_in_space": {}}
    told = data_remarks({**other, **vars(found)})
    assert told == ["data: questions without a counterpart, left out: fr 2"]


def test_the_other_direction_and_english_instructions(tmp_path):
    folder = hub_folders.xnli(tmp_path)
    (first, *_) = load("xnli", folder, "languages=[fr]", "direction=x_to_en")["fr"]
    assert "fr premise 0" in first.source and "en premise 0" in first.target
    assert first.options[0].label == "Entailment"
    (english, *_) = load("xnli", folder, "languages=[fr]", "prompt.instruction_language=en")["fr"]
    assert english.target == english.source.replace("en premise", "fr premise").replace(
        "en hypothesis", "fr hypothesis"
    )


def test_xquad(tmp_path):
    (first, _, third, *_) = load("xquad", hub_folders.xquad(tmp_path), "languages=[ro]")["ro"]
    assert first.target == (
        "Răspundeți la întrebare cu cât mai puține cuvinte din text.\n\n"
        "Text: ro passage 0 of {braces}\n\nÎntrebare: ro question 0?\nRăspuns:"
    )
    assert (first.gold, first.source_gold) == ("ro answer 0", "en answer 0")
    assert (first.id, first.options) == ("xquad-q0", ())
    assert first.cluster != third.cluster


def test_xcopa_takes_english_from_copa(tmp_path):
    folder = hub_folders.xcopa(tmp_path / "xcopa")
    english = f"task.pivot_id='{hub_folders.copa(tmp_path / 'superglue')}'"
    rows = load("xcopa", folder, english, "languages=[et,qu,en]")
    labels = [row["label"] for row in hub_folders.copa_rows("en", 6)]
    for language in ("et", "qu", "en"):
        assert [int(i.gold) - 1 for i in rows[language]] == labels
    effect, cause, *_ = rows["et"]
    assert effect.source == (
        "Premise: en premise 0\nWhat happened as a result?\n\n"
        "(1) en first 0\n(2) en second 0\n\nChoose one option only: (1), (2)\nAnswer:"
    )
    assert "Mis oli selle põhjus?\n\n(1) et first 1\n(2) et second 1" in cause.target
    assert "What was the cause of this?" in cause.source


def test_copa_in_another_order_is_refused(tmp_path):
    folder = hub_folders.xcopa(tmp_path / "xcopa", n=6)
    english = f"task.pivot_id='{hub_folders.copa(tmp_path / 'superglue', n=5)}'"
    with pytest.raises(DataError, match=r"^COPA \(5 rows\) and XCOPA \(6 rows\) do not ask"):
        load("xcopa", folder, english, "languages=[et]")


def test_mkqa_keeps_what_every_language_answers(tmp_path):
    folder = hub_folders.mkqa(tmp_path, MKQA_LANGUAGES)
    rows = load("mkqa", folder, "languages=[zh_hk,no]")
    assert [i.id for i in rows["no"]] == [f"mkqa-{n}" for n in (100, 102, 103, 104, 105)]
    third = rows["zh_hk"][2]
    assert third.target == ("請用盡可能少的詞語回答問題。\n\n問題：zh_hk question 3\n答案：")
    assert third.gold == "zh_hk answer 3"
    assert third.aliases == ("zh_hk other 3", "zh_hk alias 3")


def test_opinions_of_a_languages_countries(tmp_path):
    rows = load("globalopinionqa", hub_folders.opinions(tmp_path), "languages=[en]")["en"]
    assert [i.category for i in rows] == ["Britain"] * 4
    assert rows[0].source == rows[0].target  # English needs no translation
    assert not rows[0].machine_translated
    assert [(o.marker, o.share) for o in rows[0].options] == [
        ("(A)", 0.1),
        ("(B)", 0.2),
        ("(C)", 0.7),
    ]
    assert rows[0].gold == "C"
    assert "(A) Good\n(B) Isn't\n(C) 3\n" in rows[0].target
    assert "someone from this country (Britain)" in rows[0].target


@pytest.mark.parametrize("task", ["globalopinionqa", "culturalbench_easy", "culturalbench_hard"])
def test_a_missing_translation_names_the_command(tmp_path, task):
    write = hub_folders.opinions if task == "globalopinionqa" else hub_folders.culture
    with pytest.raises(DataError) as error:
        load(task, folder := write(tmp_path / "data"), "languages=[tr]", "limit=1")
    message = str(error.value)
    assert "\n" not in message and message.startswith("no translation into 'tr' of ")
    assert message.endswith(
        f"make it: xtransplant translate task={task} task.id={folder} languages=[tr] split=all "
        "limit=1 translation.model=facebook/nllb-200-distilled-600M"
    )


def translated(task: str, folder: Path, *overrides: str) -> list[Instance]:
    config = compose([f"task={task}", f"task.id='{folder}'", "split=all", *overrides])
    data = load_data(config, lambda text, language: f"<{language}>{text}")
    (rows,) = data.instances.values()
    return rows


def test_a_translated_opinion_keeps_its_markers(tmp_path):
    rows = translated("globalopinionqa", hub_folders.opinions(tmp_path), "languages=[sw]")
    assert [i.category for i in rows] == ["Kenya (Non-national sample)"] * 4
    assert rows[0].machine_translated and rows[0].gold == "B"
    assert "nchi hii (<sw>Kenya)" in rows[0].source
    assert "(A) <sw>Good\n(B) <sw>Isn't\n(C) <sw>3\n" in rows[0].source
    assert "(A) Good\n(B) Isn't\n(C) 3\n" in rows[0].target
    assert (rows[0].source_language, rows[0].target_language) == ("sw", "en")


def test_culturalbench_easy(tmp_path):
    rows = translated("culturalbench_easy", hub_folders.culture(tmp_path), "languages=[tr]")
    assert [(i.id, i.gold, i.category) for i in rows] == [
        ("culturalbench_easy-0001", "B", "Turkey"),
        ("culturalbench_easy-0003", "D", "Turkey"),
    ]
    assert "Question: culture 1?\n\n(A) choice a 1\n(B) choice b 1\n" in rows[0].target
    assert "Soru: <tr>culture 1?\n\n(A) <tr>choice a 1\n" in rows[0].source


def test_the_four_statements_of_a_hard_question_stay_together(tmp_path):
    folder = hub_folders.culture(tmp_path, n=12)
    overrides = ("languages=[ja]", "task.sample_size=2")
    rows = translated("culturalbench_hard", folder, *overrides)
    assert len(rows) == 24  # 6 of 12 questions are Japan's
    first = rows[:4]
    assert [i.id.rpartition("-")[2] for i in first] == ["1", "2", "3", "4"]
    assert {i.id.rpartition("-")[0] for i in first} == {"culturalbench_hard-0000"}
    assert {i.cluster for i in first} == {"0000"}
    assert [i.gold for i in first] == ["A", "B", "B", "B"]
    assert "(A) True\n(B) False\n" in first[0].target
    assert "(A) 正しい\n(B) 誤り\n" in first[0].source
    sample = translated("culturalbench_hard", folder, *overrides, "split=sample")
    unseen = translated("culturalbench_hard", folder, *overrides, "split=unseen")
    assert (len(sample), len(unseen)) == (8, 16)
    assert {i.cluster for i in sample}.isdisjoint(i.cluster for i in unseen)


def test_belebele_is_parallel_by_link_and_number(tmp_path):
    rows = load("belebele", hub_folders.belebele(tmp_path), "languages=[sw]")["sw"]
    assert len({i.id for i in rows}) == 6
    last = rows[-1]  # row 0 of English
    assert "Passage: eng_Latn passage 0\n\nQuestion: eng_Latn question 0?\n" in last.source
    assert "Kifungu: swh_Latn passage 0\n\nSwali: swh_Latn question 0?\n" in last.target
    assert last.gold == "A" and rows[0].gold == "B"
    assert rows[0].cluster == rows[1].cluster != rows[2].cluster


def test_global_mmlu_keeps_the_label(tmp_path):
    rows = load("global_mmlu", hub_folders.global_mmlu(tmp_path), "languages=[fil]")["fil"]
    assert [i.category for i in rows] == ["CS", "CA", None, "CS", "CA", None]
    assert rows[0].id == "global_mmlu-subject_test_0"
    assert "Tanong: fil exam 0?\n\n(A) fil a 0\n(B) fil b 0\n" in rows[0].target


# ---------------------------------------------------------------------------- splits


def test_sample_and_unseen_are_disjoint_and_the_same_in_every_language(tmp_path):
    folder = hub_folders.xnli(tmp_path, n=130)
    sample = load("xnli", folder, "languages=[fr,th]", "split=sample")
    unseen = load("xnli", folder, "languages=[fr,th]", "split=unseen")
    everything = load("xnli", folder, "languages=[fr,th]")
    ids = {
        split: [i.id for i in rows["fr"]]
        for split, rows in (("sample", sample), ("unseen", unseen), ("all", everything))
    }
    assert (len(ids["sample"]), len(ids["unseen"])) == (50, 80)
    assert set(ids["sample"]) | set(ids["unseen"]) == set(ids["all"])
    assert ids["sample"] == [i.id for i in sample["th"]] == sorted(ids["sample"])
    assert [
        i.id for i in load("xnli", folder, "languages=[fr]", "split=sample", "limit=3")["fr"]
    ] == (ids["sample"][:3])
    other = load("xnli", folder, "languages=[fr]", "split=sample", "task.sample_seed=1")["fr"]
    assert {i.id for i in other} != set(ids["sample"])
    # The run's seed is of controls: the sample stays.
    same = load("xnli", folder, "languages=[fr]", "split=sample", "seed=1")["fr"]
    assert [i.id for i in same] == ids["sample"]


# ---------------------------------------------------------------------------- few-shot


def test_shots_are_answered_unseen_questions_in_the_prompts_language(tmp_path):
    folder = hub_folders.xquad(tmp_path, n=12)
    few = ("languages=[ro]", "split=sample", "task.sample_size=4")
    plain = load("xquad", folder, *few)["ro"]
    shown = load("xquad", folder, *few, "prompt.style=few_shot", "prompt.shots=2")["ro"]
    unseen = load("xquad", folder, "languages=[ro]", "split=unseen", "task.sample_size=4")["ro"]
    assert [i.id for i in plain] == [i.id for i in shown]
    for before, after in zip(plain, shown, strict=True):
        shots = [
            next(u for u in unseen if block in f"{u.target} {u.gold}")
            for block in (f"ro question {n}?" for n in range(12))
            if block in after.target and block not in before.target
        ]
        assert len(shots) == 2
        assert after.target.endswith("\n\n" + before.target)
        for shot in shots:
            assert f"{shot.target} {shot.gold}\n\n" in after.target
            assert f"{shot.source} {shot.source_gold}\n\n" in after.source
            assert shot.cluster != before.cluster


def test_a_shot_of_options_is_answered_by_its_marker(tmp_path):
    folder = hub_folders.xnli(tmp_path, n=9)
    arguments = ("languages=[fr]", "limit=1", "prompt.style=few_shot", "prompt.shots=1")
    (first,) = load("xnli", folder, *arguments)["fr"]
    others = load("xnli", folder, "languages=[fr]")["fr"][1:]
    (shot,) = (other for other in others if other.target in first.target)
    assert first.target.startswith(f"{shot.target} ({shot.gold})\n\n")
    assert first.source.startswith(f"{shot.source} ({shot.gold})\n\n")


def test_too_few_questions_for_the_shots(tmp_path):
    folder = hub_folders.xnli(tmp_path, n=4)
    with pytest.raises(
        DataError, match="only 1 questions of 'fr' are left for 3 shots besides the"
    ):
        load("xnli", folder, "languages=[fr]", "limit=1", "prompt.style=few_shot")


# ---------------------------------------------------------------------------- what goes wrong


def refused(task: str, folder: object, *overrides: str) -> str:
    with pytest.raises((DataError, ConfigError)) as error:
        load(task, Path(str(folder)), *overrides)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_language_that_the_data_lack(tmp_path):
    message = refused("xnli", hub_folders.xnli(tmp_path), "languages=[sw]")
    assert message.startswith(f"cannot read data '{tmp_path}' (configuration sw, split test): ")


def test_columns_of_another_data_set(tmp_path):
    hub_folders.xnli(tmp_path)
    folder = hub_folders.write_dataset(
        tmp_path / "other", {name: ("test", [{"text": "a"}]) for name in ("en", "fr")}
    )
    assert refused("xnli", folder, "languages=[fr]") == (
        f"data '{folder}' (fr) do not fit task xnli: KeyError 'label'; "
        "check task.revision and task.loader"
    )


def test_rows_that_are_not_parallel(tmp_path):
    folder = hub_folders.xnli(tmp_path, n=6)
    rows = [{"premise": "p", "hypothesis": "h", "label": 0}] * 7
    hub_folders.write_dataset(
        folder, {"fr": ("test", rows), "en": ("test", rows[:6]), "th": ("test", rows)}
    )
    assert "1 questions exist in 'fr' but not in 'en', such as 00006" in (
        refused("xnli", folder, "languages=[fr]")
    )


def test_options_outside_the_keys(tmp_path):
    folder = hub_folders.belebele(tmp_path)
    assert "has 4 options, but task.keys has 2" in (
        refused("belebele", folder, "languages=[sw]", "task.keys=[A,B]")
    )
    assert "gold answer 'A' is not among its options 1, 2, 3, 4; check task.keys" in (
        refused("belebele", folder, "languages=[sw]", "task.keys=['1','2','3','4']").replace(
            "'B'", "'A'"
        )
    )


def test_the_fingerprint_is_of_content_and_template(tmp_path):
    def fingerprint(folder: Path, *overrides: str) -> str:
        config = compose(["task=xnli", f"task.id='{folder}'", "languages=[fr]", *overrides])
        return load_data(config).fingerprint

    one = fingerprint(hub_folders.xnli(tmp_path / "one"))
    assert fingerprint(hub_folders.xnli(tmp_path / "two")) == one
    assert fingerprint(hub_folders.xnli(tmp_path / "three", n=7)) != one
    shipped = Path(__file__).parents[2] / "xtransplant" / "assets" / "prompts" / "xnli.yaml"
    mine = tmp_path / "mine.yaml"
    mine.write_text(shipped.read_text("utf-8").replace("Prémisse", "Premisse"), "utf-8")
    assert fingerprint(tmp_path / "one", f"task.template='{mine}'") != one


@pytest.mark.parametrize(
    "override",
    [
        *("task.id=org/other", "task.revision=v2", "task.config=other", "task.data_split=train"),
        *("task.pivot_id=org/english", "task.pivot_revision=v2", "task.pivot_config=other"),
    ],
)
def test_the_fingerprint_is_of_where_the_rows_are(override):
    def fingerprint(*overrides: str) -> str:
        return Reader(compose(["task=xcopa", *overrides]).task).fingerprint

    assert fingerprint(override) != fingerprint()
    assert fingerprint("task.languages=[it,sw]", "task.size=3") == fingerprint()


def test_the_fingerprint_is_of_the_languages_only_where_questions_depend_on_them(tmp_path):
    """MKQA leaves out what has no answer in any of the task's languages; XCOPA does not."""
    mkqa = hub_folders.mkqa(tmp_path / "mkqa", ["en", "fr", "de"])

    def fingerprint(*overrides: str) -> str:
        return load_data(compose([*overrides, "languages=[fr]"])).fingerprint

    given = ["task=mkqa", f"task.id='{mkqa}'"]
    both = fingerprint(*given, "task.languages=[en,fr]")
    assert fingerprint(*given, "task.languages=[fr,en]") == both
    assert fingerprint(*given, "task.languages=[en,fr,de]") != both

    xnli = ["task=xnli", f"task.id='{hub_folders.xnli(tmp_path / 'xnli')}'"]
    assert fingerprint(*xnli, "task.languages=[en,fr]") == fingerprint(*xnli)


def test_data_dir_is_for_those_that_have_one(tmp_path):
    message = refused("mkqa", tmp_path, f"task.data_dir='{tmp_path}'", "languages=[fr]")
    assert message.startswith(
        "task.data_dir has no effect in task mkqa; allowed: with globalopinion"
    )


def test_finished_prompts_have_no_english_instructions():
    with pytest.raises(ConfigError, match="has no effect in task pocket: its prompts are finished"):
        load_data(compose(["prompt.instruction_language=en"]))


def edited(folder: Path, **columns) -> Path:
    """Write the same values over columns of a data set's rows."""
    for path in folder.rglob("*.parquet"):
        rows = pd.read_parquet(path)
        rows.assign(**{name: [value] * len(rows) for name, value in columns.items()}).to_parquet(
            path
        )
    return folder


@pytest.mark.parametrize(
    ("task", "make", "columns", "languages", "message"),
    [
        ("xnli", hub_folders.xnli, {"label": -1}, "fr", r"label -1 where 0 to 2 are allowed"),
        ("xnli", hub_folders.xnli, {"label": 3}, "fr", r"label 3 where 0 to 2 are allowed"),
        ("xcopa", hub_folders.xcopa, {"label": -1}, "et", r"label -1 where 0 to 1 are allowed"),
        ("belebele", hub_folders.belebele, {"correct_answer_num": "0"}, "sw", r"label -1 where"),
        ("belebele", hub_folders.belebele, {"correct_answer_num": "x"}, "sw", r"ValueError .*'x'"),
        ("culturalbench_hard", hub_folders.culture, {"answer": "maybe"}, "tr", r"KeyError 'maybe'"),
        (
            "culturalbench_easy",
            hub_folders.culture,
            {"question_idx": "q"},
            "tr",
            r"ValueError .*'d'",
        ),
        (
            "globalopinionqa",
            hub_folders.opinions,
            {"options": "[]", "selections": "{'Turkey': []}"},
            "tr",
            r"ValueError .*empty",
        ),
        (
            "xquad",
            hub_folders.xquad,
            {"answers": {"text": [" "], "answer_start": [0]}},
            "ro",
            r"question q0 has no gold answer in 'ro'; remove it",
        ),
    ],
)
def test_rows_that_are_not_as_documented_are_one_line(
    tmp_path, task, make, columns, languages, message
):
    folder = edited(make(tmp_path / "data"), **columns)
    english = ()
    if task == "xcopa":
        english = (f"task.pivot_id='{hub_folders.copa(tmp_path / 'superglue')}'",)
    with pytest.raises(DataError, match=message) as error:
        load(task, folder, *english, f"languages=[{languages}]")
    assert "\n" not in str(error.value)


def test_a_question_that_is_there_twice_in_one_language_is_refused(tmp_path):
    folder = hub_folders.belebele(tmp_path)
    (path,) = (folder / "swh_Latn").glob("*.parquet")
    rows = pd.read_parquet(path)
    pd.concat([rows, rows.iloc[:1]]).to_parquet(path)
    with pytest.raises(DataError, match=r"question \w+-2 appears twice in 'sw'; remove one"):
        load("belebele", folder, "languages=[sw]")


def test_shots_are_answered_as_the_option_would_follow(tmp_path):
    data = hub_folders.mkqa(tmp_path, MKQA_LANGUAGES)
    style = ("prompt.style=few_shot", "prompt.shots=1", "limit=1")
    (first,) = load("mkqa", data, "languages=[zh_cn]", *style)["zh_cn"]
    assert "答案：zh_cn answer" in first.target and "Answer: en answer" in first.source


def test_shots_are_not_of_a_sample_of_whole_questions(tmp_path):
    data = hub_folders.culture(tmp_path, n=8, countries=("Britain",))
    asked = ("languages=[en]", "split=sample", "task.sample_size=4")
    sample = load("culturalbench_hard", data, *asked)["en"]
    seen = {question_of(one.target) for one in sample}
    assert len(seen) == 4
    few = load("culturalbench_hard", data, *asked, "prompt.style=few_shot", "prompt.shots=5")["en"]
    for one in few:
        *shots, _ = one.target.split(BETWEEN + "Question:")
        assert not {question_of(shot) for shot in shots} & seen


def question_of(prompt: str) -> str:
    return prompt[prompt.index("culture ") :].partition("?")[0]
