"""Stored texts scored again: new verdicts in the parts, old ones kept, whatever interrupts it."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from xtransplant.cli import app as cli
from xtransplant.errors import OutputError
from xtransplant.scoring.judging import judge
from xtransplant.scoring.registry import find_scorers
from xtransplant.store.columns import Row
from xtransplant.store.run_folder import RunFolder
from xtransplant.store.score_files import require_verdicts, verdicts_path, write_judged_part
from xtransplant.types import Cell, Generation, Instance, Option, Reply

KEY = "0123456789ab"
CONFIG = {
    "task": {"name": "xnli", "scorer": "paper"},
    "model": {"name": "tiny"},
    "module": "mlp",
}
CELLS = (None, Cell(0, 0), Cell(0, 1))
TEXTS = {  # of the baseline and the two cells: paper reads 1 -, option reads 1 2 1 and so on
    "q1": ("(1)", "[2]", "1."),
    "q2": ("[1]", "(2)", "I refuse"),
    "q3": ("(1) (2)", "２", "(2)"),
}
GOLDS = {"q1": "1", "q2": "2", "q3": "2"}
PAPER = {"q1": ("1", None, None), "q2": (None, "2", None), "q3": (None, None, "2")}
OPTION = {"q1": ("1", "2", "1"), "q2": ("1", "2", None), "q3": (None, "2", "2")}
PARTS = {("fr", 0): ("q1", "q2"), ("fr", 1): ("q3",), ("sw", 0): ("q1", "q2", "q3")}
LOGPROBS = {"q1": (-1.0, -2.0), "q2": (-1.0, -2.0), "q3": (-3.0, -2.0)}  # read 1, 1 and 2
TABLES = ["instances.parquet", "pairs.parquet"]


def rows_of(language, ids, scorers=("paper",), logprobs=False):
    rows = []
    for id in ids:
        options = (Option("(1)"), Option("(2)"))
        instance = Instance(id, language, "en", language, "s", "t", GOLDS[id], options)
        for cell, text in zip(CELLS, TEXTS[id], strict=True):
            generation = Generation((1, 2), text, "eos", LOGPROBS[id] if logprobs else None)
            reply = [(instance, Reply(text, "eos", generation.option_logprobs))]
            scores = {each.label: judge(each, reply)[0] for each in find_scorers(list(scorers))}
            rows.append(Row(instance, cell, generation, scores))
    return rows


def make_run(path: Path, n_parts=None, **how) -> RunFolder:
    folder = RunFolder(path, KEY)
    folder.open_or_create(CONFIG, n_parts or {"fr": 2, "sw": 1})
    with folder.running():
        for (language, block), ids in PARTS.items():
            write_judged_part(folder, language, block, "none", rows_of(language, ids, **how))
    return folder


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return make_run(tmp_path / "outputs" / "xnli" / "tiny" / "mlp" / KEY)


def rescore(folder: RunFolder, *settings: str) -> None:
    assert cli.main(["rescore", str(folder.path), *settings]) == 0


def answers(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[str | None, ...]]:
    shown = frame.answer.astype(object).where(frame.answer.notna(), None)
    groups = frame.assign(answer=shown).groupby(["language", "instance_id"], sort=False)
    return {name: tuple(rows.answer) for name, rows in groups}


def of_every_language(expected):
    return {(language, id): expected[id] for (language, _), ids in PARTS.items() for id in ids}


def labels(folder: RunFolder) -> list[str]:
    return [
        pq.read_schema(path).metadata[b"xtransplant.scorer"].decode() for path in folder.parts()
    ]


def test_the_parts_get_the_new_verdicts_and_the_old_ones_are_kept(folder, capsys):
    before = {path.name: pq.read_table(path) for path in folder.parts()}
    assert answers(folder.read_generations()) == of_every_language(PAPER)
    rescore(folder, "scorer=option")
    frame = folder.read_generations()
    assert answers(frame) == of_every_language(OPTION)
    golds = frame.instance_id.map(GOLDS)
    assert frame.correct.tolist() == (frame.answer == golds).tolist()
    assert labels(folder) == ["option-3"] * 3
    for path in folder.parts():
        table, old = pq.read_table(path), before[path.name]
        assert table.schema.equals(old.schema)
        for name in old.schema.names:
            assert (table[name].equals(old[name])) == (name not in ("answer", "correct"))
        kept = [key for key in old.schema.metadata if key.startswith(b"xtransplant")]
        assert {key for key in kept if old.schema.metadata[key] != table.schema.metadata[key]} == {
            b"xtransplant.scorer"
        }
    for scorer, expected in (("paper-2", PAPER), ("option-3", OPTION)):
        scores = pd.read_parquet(folder.path / "scores" / scorer)
        assert answers(scores) == of_every_language(expected)
        assert list(scores.columns) == [
            *("instance_id", "language", "control", "source_layer", "target_layer"),
            *("answer", "correct", "value"),
        ]
        assert scores.value.isna().all()
    assert not (folder.path / ".rescored").exists()


def test_the_two_views_are_made_again_and_shown(folder, capsys):
    rescore(folder, "scorer=paper")
    instances = pd.read_parquet(folder.path / "instances.parquet")
    assert instances.baseline_correct.tolist() == [True, False, False] * 2
    assert instances.n_correct.tolist() == [0, 1, 1] * 2
    capsys.readouterr()
    rescore(folder, "scorer=option")
    instances = pd.read_parquet(folder.path / "instances.parquet")
    assert instances.baseline_correct.tolist() == [True, False, False] * 2
    assert instances.n_correct.tolist() == [1, 1, 2] * 2
    assert instances.n_distinct_answers.tolist() == [2, 1, 1] * 2
    pairs = pd.read_parquet(folder.path / "pairs.parquet")
    assert pairs.n_correct.tolist() == [2, 2] * 2  # q2 q3, q1 q3
    out = capsys.readouterr().out
    assert "both are chosen from 2 cells" in out
    assert f"results: {folder.path}" in out
    (french,) = [line for line in out.splitlines() if line.startswith("fr")]
    assert french.split() == ["fr", "3", "33.3", "%", "66.7", "%", "0→0", "100.0", "%"]


def test_several_scorers_at_once(folder):
    rescore(folder, "scorer=option,f1,exact_match")
    assert set(labels(folder)) == {"option-3"}
    kept = sorted(path.name for path in (folder.path / "scores").iterdir())
    assert kept == ["exact_match-3", "f1-2", "option-3", "paper-2"]
    f1 = pd.read_parquet(folder.path / "scores" / "f1-2")
    # "(1) (2)" against "2" is one word of two right: 2 · ½ · 1 / (½ + 1). "２" is 2.
    assert f1[f1.instance_id == "q3"].value.tolist() == pytest.approx([2 / 3, 1.0, 1.0] * 2)
    assert folder.read_manifest().config["task"]["scorer"] == ["option", "f1", "exact_match"]


def test_a_run_with_several_scorers_writes_what_rescore_does(tmp_path):
    both = make_run(tmp_path / "a", scorers=("paper", "option"))
    one = make_run(tmp_path / "b")
    rescore(one, "scorer=paper,option")
    for path in sorted(both.path.glob("*/**/*.parquet")):
        assert pq.read_table(path).equals(pq.read_table(one.path / path.relative_to(both.path)))
    assert len(list(both.path.glob("scores/*/*.parquet"))) == 6


def test_without_a_scorer_those_of_the_configuration_are_used(folder):
    rescore(folder, "scorer=option")
    rescore(folder)
    assert labels(folder) == ["option-3"] * 3


def test_every_run_below_a_folder_is_scored(folder):
    other = make_run(folder.path.parents[1] / "attn" / KEY)
    assert cli.main(["rescore", str(folder.path.parents[2]), "scorer=option"]) == 0
    assert labels(folder) == labels(other) == ["option-3"] * 3


def test_a_run_that_is_not_finished_stays_so(tmp_path):
    folder = make_run(tmp_path / "run", {"fr": 2, "sw": 2})
    folder.update_manifest(status="failed", reason="out of power")
    rescore(folder, "scorer=option")
    manifest = folder.read_manifest()
    assert (manifest.status, manifest.reason) == ("failed", "out of power")
    assert set(pd.read_parquet(folder.path / "pairs.parquet").language) == {"fr"}
    assert labels(folder) == ["option-3"] * 3


@pytest.mark.filterwarnings("default")
def test_a_run_of_which_a_part_is_gone_is_scored_and_no_longer_called_done(folder, capsys):
    folder.part_path("fr", 1).unlink()
    rescore(folder, "scorer=option")
    assert "fr-0001 is gone; run the same command again" in capsys.readouterr().err
    assert folder.read_manifest().status == "missing"
    assert labels(folder) == ["option-3"] * 2


def test_a_run_that_failed_after_its_last_part_is_finished(folder):
    folder.update_manifest(status="failed", reason="out of power")
    rescore(folder, "scorer=option")
    manifest = folder.read_manifest()
    assert (manifest.status, manifest.reason) == ("done", None)


def test_log_probabilities_are_read_from_the_parts(tmp_path):
    folder = make_run(tmp_path / "run", logprobs=True)
    rescore(folder, "scorer=logprob")
    expected = {"q1": ("1",) * 3, "q2": ("1",) * 3, "q3": ("2",) * 3}
    assert answers(folder.read_generations()) == of_every_language(expected)


class PowerCut(BaseException):
    pass


def interrupt_after(monkeypatch: pytest.MonkeyPatch, n: int) -> list[str]:
    """Let the n-th renaming of a file, and all after it, fail; return what was renamed."""
    renamed: list[str] = []
    rename = os.replace

    def replace(source, destination):
        if len(renamed) == n:
            raise PowerCut
        renamed.append(str(destination))
        rename(source, destination)

    monkeypatch.setattr(os, "replace", replace)
    return renamed


def test_killed_anywhere_it_never_shows_mixed_verdicts_and_goes_on(folder, tmp_path, monkeypatch):
    rescore(folder, "scorer=paper")  # with both views
    wholly = tmp_path / "wholly"
    shutil.copytree(folder.path, wholly)
    with monkeypatch.context() as patch:
        renamed = interrupt_after(patch, -1)
        rescore(RunFolder(wholly, KEY), "scorer=option,f1")
    # 3 parts of 2 scorers, their stage, the parts, 2 views, and the manifest twice.
    assert len(renamed) == 3 * 2 + 3 + 3 + 2 + 2
    seen = []
    for n in range(len(renamed)):
        run = RunFolder(tmp_path / f"cut-{n}", KEY)
        shutil.copytree(folder.path, run.path)
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            interrupt_after(patch, n)
            cli.main(["rescore", str(run.path), "scorer=option,f1"])
        scorers = set(labels(run))
        seen.append(len(scorers))
        views = [name for name in TABLES if (run.path / name).exists()]
        if len(scorers) == 2:
            assert views == []
            with pytest.raises(OutputError, match="verdicts of several scorers, option-3 and pap"):
                run.read_generations()
        elif scorers == {"paper-2"}:
            assert answers(run.read_generations()) == of_every_language(PAPER)
            if views:
                instances = pd.read_parquet(run.path / "instances.parquet")
                assert instances.n_correct.tolist() == [0, 1, 1] * 2
        else:
            assert answers(run.read_generations()) == of_every_language(OPTION)
        assert set(pd.read_parquet(run.path / "scores" / "paper-2").columns)
        # The same command finishes; so does another scorer's.
        rescore(run, "scorer=option,f1")
        for path in sorted(wholly.rglob("*.parquet")):
            mine = run.path / path.relative_to(wholly)
            assert pq.read_table(mine).equals(pq.read_table(path), check_metadata=True)
        assert run.read_manifest().status == "done"
        assert not (run.path / ".rescored").exists()
    assert seen.count(2) == 2  # between the renamings of three parts


def test_an_interrupted_rescore_may_be_followed_by_another_scorers(folder, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        interrupt_after(patch, 3 + 3 + 1 + 1)  # verdicts, stage, manifest, one part
        cli.main(["rescore", str(folder.path), "scorer=option"])
    assert sorted(set(labels(folder))) == ["option-3", "paper-2"]
    rescore(folder, "scorer=paper")
    assert answers(folder.read_generations()) == of_every_language(PAPER)


def test_a_part_made_again_drops_the_verdicts_kept_on_its_old_texts(folder):
    rescore(folder, "scorer=option")
    write_judged_part(folder, "fr", 1, "none", rows_of("fr", ["q3"]))
    kept = sorted(path.parent.name for path in folder.path.glob("scores/*/fr-0001.parquet"))
    assert kept == ["paper-2"]
    assert len(list(folder.path.glob("scores/option-3/*.parquet"))) == 2


def test_verdicts_that_were_deleted_are_kept_from_the_part(folder):
    shutil.rmtree(folder.path / "scores")
    rescore(folder, "scorer=option")
    assert answers(pd.read_parquet(folder.path / "scores" / "paper-2")) == of_every_language(PAPER)


def test_a_run_is_refused_where_the_parts_hold_other_verdicts(folder):
    paper, f1, option = find_scorers(["paper", "f1", "option"])
    number = find_scorers({"name": "regex", "pattern": r"'(\d)', \w"})[0]
    require_verdicts(folder, [paper])
    require_verdicts(RunFolder(folder.path / "not yet", KEY), [paper])
    first = folder.parts()[0]
    for wanted, label, setting in (
        ([option], "option-3", "scorer=option"),
        ([replace(paper, version=3), f1], "paper-3", "scorer=paper,f1"),
        ([number, f1], number.label, """'scorer=regex(pattern="'"'"'(\\\\d)'"'"', \\\\w"),f1'"""),
    ):
        with pytest.raises(OutputError) as error:
            require_verdicts(folder, wanted)
        assert str(error.value) == (
            f"{first} holds verdicts of scorer paper-2, this run asks for {label}; to replace "
            f"them without a GPU: xtransplant rescore {folder.path} {setting}"
        )
    with pytest.raises(OutputError) as error:
        require_verdicts(folder, [paper, option])
    assert str(error.value) == (
        f"{folder.path} has no verdicts of scorer option-3 on fr-0000.parquet; to add them without "
        f"a GPU: xtransplant rescore {folder.path} scorer=paper,option"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["scorer=optoin"], "unknown scorer 'optoin'; allowed: contains_any, exact_match, f1, "),
        (["scorer="], "unknown scorer ''; allowed: contains_any, "),
        (["scorer=paper,"], "unknown scorer ''; allowed: contains_any, "),
        (["scorers=paper"], "unknown setting 'scorers=paper'; allowed: scorer=NAME, "),
        (["paper"], "unknown setting 'paper'; allowed: scorer=NAME, scorer=NAME,NAME"),
        (["scorer=opinion"], "scorer opinion needs the share of people who chose each option, "),
        (["scorer=logprob"], "instance q1 (fr) has no option log-probabilities, which "),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(folder, capsys, settings, message):
    before = {path: path.read_bytes() for path in folder.path.rglob("*.*") if path.is_file()}
    assert cli.main(["rescore", str(folder.path), *settings]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1
    left = {path: path.read_bytes() for path in folder.path.rglob("*.*") if path.is_file()}
    left.pop(folder.path / ".leases" / ".rescore", None)
    assert left == before


def test_a_folder_without_a_run_is_one_line(tmp_path, capsys):
    assert cli.main(["rescore", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: no folder ")
    RunFolder(tmp_path / "run", KEY).open_or_create(CONFIG, {"fr": 1})
    assert cli.main(["rescore", str(tmp_path / "run")]) == 2
    assert "has no finished part to score" in capsys.readouterr().err


def test_torch_is_not_imported(folder):
    program = (
        "import sys\nfrom xtransplant.cli import app as cli\n"
        f"assert cli.main(['rescore', {str(folder.path)!r}, 'scorer=option']) == 0\n"
        "assert not {'torch', 'transformers', 'hydra'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_of_two_at_once_one_is_refused(folder, capsys):
    """The other one, in this process, holds the lock and would mix its verdicts in."""
    with folder.leases.lock("rescore"):
        assert cli.main(["rescore", str(folder.path), "scorer=exact_match"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"error: another process has held {folder.path}/.leases/.rescore for")
    assert not (folder.path / ".rescored").exists()


@pytest.mark.parametrize("damage", ["emptied", "cut", "removed"])
def test_verdicts_that_were_damaged_are_noticed_and_made_again(folder, damage):
    rescore(folder, "scorer=paper")
    path = verdicts_path(folder, labels(folder)[0], folder.parts()[0].name)
    scorers = [find_scorers("paper")[0]]
    require_verdicts(folder, scorers)
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "emptied" else -9])
    with pytest.raises(OutputError) as error:
        require_verdicts(folder, scorers)
    assert str(path) in str(error.value)
    assert f"xtransplant rescore {folder.path} scorer=paper" in str(error.value)
    rescore(folder, "scorer=paper")
    require_verdicts(folder, scorers)
