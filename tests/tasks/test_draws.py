"""What controls and few-shot prompts draw: never what a judged instance would tell itself.

Questions are those of a made XQuAD: two or three on each passage, the passage being the cluster.
"""

import re
from pathlib import Path

import hub_folders
import pytest

from xtransplant.config.compose import compose
from xtransplant.tasks.load import Data, load_data
from xtransplant.types import Instance

LANGUAGES = ("en", "ro", "tr", "de")
N = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, questions_per_passage=3)


def write(folder: Path, questions_per_passage: int) -> Path:
    def rows(language: str) -> list[dict[str, object]]:
        return [
            {
                "id": f"q{row:02}",
                "context": f"{language} passage {row // questions_per_passage}",
                "question": f"{language} question {row}?",
                "answers": {"text": [f"{language} answer {row}"], "answer_start": [0]},
            }
            for row in range(N)
        ]

    content = {f"xquad.{language}": ("validation", rows(language)) for language in LANGUAGES}
    return hub_folders.write_dataset(folder, content)


def load(folder: Path, *overrides: str, languages: str = "[ro,tr]") -> Data:
    given = ["task=xquad", f"task.id='{folder}'", "task.languages=[en,ro,tr,de]"]
    return load_data(compose([*given, f"languages={languages}", "split=all", *overrides]))


FEW = ("prompt.style=few_shot", "prompt.shots=3")


def questions_in(prompt: str) -> list[int]:
    return [int(number) for number in re.findall(r" question (\d+)\?", prompt)]


def number(instance: Instance) -> int:
    return int(instance.id[-2:])


CONTROLS = ("none", "random_instance", "noise", "same_prompt", "shuffled_language")


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("asked", [("limit=6",), ("split=sample", "task.sample_size=7")])
def test_shots_are_never_asked_nor_of_a_passage_that_is(
    folder: Path, control: str, asked: tuple[str, ...]
) -> None:
    found = load(folder, *FEW, *asked, f"control={control}").instances
    for instances in found.values():
        ids = {number(one) for one in instances}
        passages = {each // 3 for each in ids}
        for one in instances:
            for prompt in (one.source, one.target):
                *shots, _ = questions_in(prompt)
                assert len(shots) == 3
                assert not ids & set(shots)
                assert not passages & {shot // 3 for shot in shots}
            assert questions_in(one.target)[-1] == number(one)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("style", [(), FEW])
def test_a_random_instance_is_of_another_passage(
    folder: Path, seed: int, style: tuple[str, ...]
) -> None:
    found = load(folder, *style, "limit=9", f"seed={seed}", "control=random_instance").instances
    drawn = {
        language: [questions_in(one.source)[-1] for one in instances]
        for language, instances in found.items()
    }
    assert drawn["ro"] == drawn["tr"]
    for one, other in zip(found["ro"], drawn["ro"], strict=True):
        assert other // 3 != number(one) // 3


def test_shots_do_not_depend_on_the_languages_of_a_command(folder: Path) -> None:
    for control in CONTROLS:
        both = load(folder, *FEW, "limit=4", f"control={control}")
        alone = load(folder, *FEW, "limit=4", f"control={control}", languages="[tr]")
        assert both.instances["tr"] == alone.instances["tr"]
        assert both.fixes == alone.fixes


def test_a_fix_of_draws_names_the_runs_it_touches(folder: Path, tmp_path: Path) -> None:
    def fixes(*overrides: str, data: Path = folder) -> set[str]:
        return set(load(data, *overrides).fixes)

    # Of nine questions on three passages, some were drawn for a question on their own passage.
    assert fixes("limit=9", "control=random_instance") == {"other_cluster"}
    assert fixes("limit=9", "control=shuffled_language") == set()
    assert fixes("limit=9") == fixes("limit=9", "control=noise") == set()
    single = write(tmp_path / "single", questions_per_passage=1)
    assert fixes("limit=9", "control=random_instance", data=single) == set()
    # A question that ranks first was a shot for the others that are asked.
    asked = [f"limit={1 + min(first_shots(folder))}", *FEW]
    assert fixes(*asked) == {"unasked_shots"}
    assert fixes(*asked, "control=shuffled_language") == {"unasked_shots"}
    assert fixes(*asked[:1]) == set()
    # Outside a small sample, shots never were of it.
    sample = ("split=sample", "task.sample_size=2")
    assert fixes(*sample, *FEW, data=single) == set()


def first_shots(folder: Path) -> list[int]:
    """Return the shots of a question on a passage that none of them is on."""
    (one,) = load(folder, *FEW, "limit=1", languages="[ro]").instances["ro"]
    return questions_in(one.target)[:-1]
