"""Another language in the place of the pivot: source and target may be any two."""

import json
from pathlib import Path
from typing import Any

import hub_folders
import pytest

from xtransplant.config.compose import compose
from xtransplant.config.run_key import run_key
from xtransplant.errors import ConfigError, DataError, XtransplantError
from xtransplant.tasks.load import load_data
from xtransplant.types import Cell, Direction, Instance


def instances(*overrides: str, language: str, **more: Any) -> list[Instance]:
    return load_data(compose([*overrides, f"languages=[{language}]"]), **more).instances[language]


def pairs(some: list[Instance]) -> set[tuple[str, str]]:
    return {(one.source_language, one.target_language) for one in some}


@pytest.mark.parametrize("direction", list(Direction))
def test_pocket_pairs_any_two_languages(direction: Direction) -> None:
    given = ("pivot=de", f"direction={direction}")
    found = instances(*given, language="sw")
    english = {one.id: one for one in instances(f"direction={direction}", language="sw")}
    german = {one.id: one for one in instances(f"direction={direction}", language="de")}
    sides = ("source", "target") if direction is Direction.EN_TO_X else ("target", "source")
    for one in found:
        assert getattr(one, sides[0]) == getattr(german[one.id], sides[1])
        assert getattr(one, sides[1]) == getattr(english[one.id], sides[1])
        assert one.gold == english[one.id].gold
    assert pairs(found) == {("de", "sw") if sides[0] == "source" else ("sw", "de")}
    (first, *_) = instances(*given, language="en")
    assert getattr(first, sides[1]) == "Question: What is Baraka's horse called? Answer:"


def test_languages_all_are_those_without_the_pivot_of_the_run() -> None:
    assert compose(["pivot=de"]).languages == ["en", "es", "tr", "id", "sw"]
    assert compose(["pivot=en"]).languages == ["de", "es", "tr", "id", "sw"]
    with pytest.raises(ConfigError, match=r"^task pocket: unknown pivot 'fr'; allowed: de, en, "):
        compose(["pivot=fr"])


def test_a_pivot_is_in_the_key_off_its_default() -> None:
    facts: Any = {"data_fingerprint": "d", "model_identity": "m", "cells": [Cell(0, 0)]}
    keys = [run_key(compose([*given]), **facts) for given in ((), ("pivot=en",), ("pivot=de",))]
    assert keys[0] == keys[1] != keys[2]


def test_the_third_language_of_a_control_is_neither_of_the_pair() -> None:
    found = instances("pivot=de", "control=shuffled_language", language="sw")
    assert pairs(found) == {(other, "sw") for other in ("en", "es", "id", "tr")}


def test_a_hub_task_keeps_the_clusters_and_splits_of_its_own_pivot(tmp_path: Path) -> None:
    folder = hub_folders.xnli(tmp_path)
    given = ("task=xnli", f"task.id={folder}", "task.sample_size=1", "task.sample_by=cluster")
    usual, other = (instances(*given, *more, language="th") for more in ((), ("pivot=fr",)))
    assert len(usual) == 3 and [one.id for one in usual] == [one.id for one in other]
    for one, two in zip(usual, other, strict=True):
        assert (one.target, one.gold, one.cluster) == (two.target, two.gold, two.cluster)
        assert "fr premise" in two.source and "fr hypothesis" in two.source
        assert "en hypothesis" in one.source and "en hypothesis" not in two.source
    assert pairs(other) == {("fr", "th")}
    assert pairs(instances(*given, "pivot=fr", language="en")) == {("fr", "en")}


def test_xcopa_reads_its_english_from_copa_whatever_the_pivot(tmp_path: Path) -> None:
    given = ("task=xcopa", f"task.id={hub_folders.xcopa(tmp_path / 'x')}")
    given += (f"task.pivot_id={hub_folders.copa(tmp_path / 'c')}", "task.languages=[en,et,qu]")
    (first, *_) = instances(*given, "pivot=qu", language="et")
    assert "qu premise" in first.source and "et premise" in first.target
    (first, *_) = instances(*given, "pivot=qu", language="en")
    assert "qu premise" in first.source and "en premise" in first.target


def test_questions_that_the_pivot_lacks_are_left_out_and_counted(tmp_path: Path) -> None:
    def rows(language: str) -> list[dict[str, Any]]:
        labels = [0, 1, 2, 0, 1, 1 if language == "fr" else 2]  # the last row of fr is another one
        return [
            {"premise": f"{language} {n // 3}", "hypothesis": f"{language} {n}", "label": label}
            for n, label in enumerate(labels)
        ]

    hub_folders.write_dataset(tmp_path, {code: ("test", rows(code)) for code in ("en", "fr", "th")})
    given = ["task=xnli", f"task.id={tmp_path}", "split=all", "languages=[th]"]
    assert len(load_data(compose(given)).instances["th"]) == 6
    data = load_data(compose([*given, "pivot=fr"]))
    assert [one.id for one in data.instances["th"]] == [f"xnli-0000{n}" for n in range(5)]
    assert data.lacking == {"th": 1}


def test_machine_translated_prompts_are_translated_on_both_sides(tmp_path: Path) -> None:
    folder = hub_folders.culture(tmp_path, n=8)
    given = ("task=culturalbench_easy", f"task.id={folder}", "split=all", "pivot=tr")
    asked: set[str] = set()

    def translate(text: str, language: str) -> str:
        asked.add(language)
        return f"{language}: {text}"

    (first, *_) = instances(*given, language="ja", translate=translate)
    assert "ja: " in first.source and "tr: " in first.target  # direction x_to_en
    assert asked == {"ja", "tr"} and first.machine_translated


def test_own_prompts_are_paired_by_id(tmp_path: Path) -> None:
    lines = [
        {"id": id, "language": code, "source": f"en {id}", "target": f"{code} {id}", "gold": code}
        for code, ids in (("fr", "abc"), ("sw", "bcd"))
        for id in ids
    ]
    (tmp_path / "my.jsonl").write_text("\n".join(map(json.dumps, lines)))
    given = ["task=prompts", f"task.file={tmp_path / 'my.jsonl'}", "pivot=fr"]
    data = load_data(compose([*given, "languages=[sw]"]))
    found = data.instances["sw"]
    assert [(one.source, one.target, one.gold, one.source_gold) for one in found] == [
        ("fr b", "sw b", "sw", "fr"),
        ("fr c", "sw c", "sw", "fr"),
    ]
    assert pairs(found) == {("fr", "sw")} and data.lacking == {"sw": 1}
    with pytest.raises(DataError, match="the answer to its own target prompt alone; allowed: "):
        instances(*given, "direction=x_to_en", language="sw")


def write_authors(folder: Path) -> None:
    for code in ("en", "fr", "sw"):
        prompt = {"en": "Premise: {}\nHypothesis: {}"}.get(code, code + " {} {}") + " (1) (2) (3)"
        for part, lines in (
            ("split", [prompt.format(row // 2, row) for row in range(4)]),
            ("ans", ["1"] * 4),
            ("ans_lang", [{"1": "a", "2": "b", "3": "c"}]),
        ):
            path = folder / "XNLI_sample" / part / f"{code}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(map(json.dumps, lines)))


def test_the_authors_files_pair_any_two_and_keep_the_english_clusters(tmp_path: Path) -> None:
    write_authors(tmp_path)
    given = ("task=xnli", f"task.data_dir={tmp_path}", "task.lost_markers=keep")
    usual, other = (instances(*given, *more, language="sw") for more in ((), ("pivot=fr",)))
    assert [one.source for one in other] == [f"fr {row // 2} {row} (1) (2) (3)" for row in range(4)]
    assert [one.cluster for one in other] == [one.cluster for one in usual]
    assert len({one.cluster for one in other}) == 2


@pytest.mark.parametrize("task", ["xcopa", "globalopinionqa"])
def test_authors_files_with_english_alone_are_refused(task: str, tmp_path: Path) -> None:
    given = [f"task={task}", f"task.data_dir={tmp_path}", "pivot=tr", "languages=[ar]"]
    if task == "xcopa":
        given[-1] = "languages=[et]"
    with pytest.raises(XtransplantError) as raised:
        load_data(compose(given))
    assert "'en' prompts alone; allowed: pivot=en; or leave out" in str(raised.value)
