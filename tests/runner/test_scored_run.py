"""Runs with options on a tiny checkpoint: several scorers, log-probabilities, a changed scorer."""

import json
import shlex
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny_checkpoint import save_llama, tokenizer

from xtransplant.cli import app as cli
from xtransplant.config.compose import compose, entries, sweep
from xtransplant.prompts.tokenise import encode, encode_options
from xtransplant.scoring.registry import find_scorers
from xtransplant.store.checksum import to_parquet
from xtransplant.types import Prompt

PROMPTS = {"en": "So? (1) a (2) b (3) c\nIt is:", "fr": "Ou? (1) d (2) e (3) f\nEst:"}
GOLDS = ["1", "3"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint and the questions in the authors' format."""
    monkeypatch.chdir(tmp_path)
    save_llama(tmp_path / "tiny", max_position_embeddings=96)
    for language, prompt in PROMPTS.items():
        lines = {
            "split": [f"{n} {prompt}" for n in (1, 2)],
            "ans": GOLDS,
            "ans_lang": [{"1": f"{language}-a", "2": f"{language}-b", "3": f"{language}-c"}],
        }
        for name, content in lines.items():
            path = tmp_path / "XNLI_sample" / name / f"{language}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(line) + "\n" for line in content), "utf-8")
    return tmp_path


def run(*settings: str) -> int:
    fixed = ("task=xnli", "task.data_dir=.", "model=hf", "model.id=./tiny", "languages=[fr]")
    return cli.main(["run", *fixed, "decode.max_new_tokens=4", "grid=first_to_first", *settings])


def generations() -> pd.DataFrame:
    (folder,) = Path("outputs").rglob("generations")
    return pd.read_parquet(folder)


def test_the_parts_hold_the_options_log_probabilities(here: Path) -> None:
    assert run("task.scorer=[paper,logprob]") == 0
    rows = generations()
    assert len(rows) == 4 and rows.correct.dtype == bool
    model, pieces = save_llama(here / "again", max_position_embeddings=96), tokenizer()
    for n, row in enumerate(rows[rows.source_layer.isna()].itertuples()):
        ids = pieces(f"{n + 1} {PROMPTS['fr']}")["input_ids"]
        for option, found in zip((" (1)", " (2)", " (3)"), row.option_logprobs, strict=True):
            tail = pieces(option, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                logprobs = model(torch.tensor([ids + tail])).logits[0].log_softmax(-1)
            expected = sum(float(logprobs[len(ids) + k - 1, id]) for k, id in enumerate(tail))
            assert found == pytest.approx(expected, abs=1e-4)
    best = ["123"[max(range(3), key=list(values).__getitem__)] for values in rows.option_logprobs]
    (kept,) = Path("outputs").rglob("scores/logprob-1")
    verdicts = pd.read_parquet(kept)
    assert verdicts.answer.tolist() == best
    golds = [gold for gold in GOLDS for _ in range(2)]
    assert verdicts.correct.tolist() == [a == b for a, b in zip(best, golds, strict=True)]


def test_a_run_goes_on_only_beside_its_own_scorers(here: Path, capsys) -> None:
    assert run("task.scorer=paper") == 0
    (folder,) = Path("outputs").rglob("generations")
    before = generations()
    capsys.readouterr()
    assert run("task.scorer=[option,paper]") == 2
    error = capsys.readouterr().err
    assert error == (
        f"error: {folder / 'fr-0000.parquet'} holds verdicts of scorer paper-2, this run asks for "
        "option-3; to replace them without a GPU: xtransplant rescore "
        f"{folder.parent} scorer=option,paper\n"
    )
    assert run("task.scorer=paper") == 0  # nothing was touched
    assert cli.main(["rescore", str(folder.parent), "scorer=option,paper"]) == 0
    assert run("task.scorer=[option,paper]") == 0
    capsys.readouterr()
    assert run("task.scorer=paper") == 2
    assert "holds verdicts of scorer option-3" in capsys.readouterr().err
    after = generations()
    assert after.drop(columns=["answer", "correct"]).equals(
        before.drop(columns=["answer", "correct"])
    )


def test_options_need_room_as_answers_do(here: Path, capsys) -> None:
    assert run("limit=1", "dry_run=true", "decode.max_new_tokens=1") == 0
    save_llama(here / "tiny", max_position_embeddings=30)  # 28 tokens, one new: not " (1)"
    assert run("limit=1", "dry_run=true", "decode.max_new_tokens=1") == 2
    assert "the model's context is 30" in capsys.readouterr().err


def test_a_scorer_that_does_not_fit_is_refused_before_weights_are_loaded(
    here: Path, monkeypatch, capsys
) -> None:
    def never(**arguments: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr("xtransplant.runner.part_worker.load_model", never)
    for scorer, message in {
        "opinion": "scorer opinion needs the share of people who chose each option, instance xnli-",
        "[paper,optoin]": "unknown scorer 'optoin'; ",
        "[]": "no scorer given; ",
    }.items():
        assert run(f"task.scorer={scorer}") == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: {message}") and error.count("\n") == 1
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("It is:", [" (1)", " (12)"]),
        ("It is: ", ["(1)", "(12)"]),
        ("It is:\n", ["(1)", "(12)"]),
        ("答案：", ["(1)", "(12)"]),  # a wide colon
        ("答案", ["(1)", "(12)"]),
    ],
)
def test_options_follow_the_prompt_as_they_would_be_written(text, options):
    pieces = tokenizer()
    encoded = encode_options(pieces, encode(pieces, text), ["(1)", "(12)"])
    assert [pieces.decode(list(ids)) for ids in encoded] == options


class Merging:
    """A tokenizer that has one token for '：(' and takes other characters one by one."""

    bos_token_id = None
    all_special_ids = (7,)

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = [ord(c) for c in text.replace("：(", "\ue000")]
        return {"input_ids": [7, *ids] if add_special_tokens else ids}


def test_a_marker_that_would_reach_into_the_prompt_is_encoded_by_itself():
    pieces = Merging()
    prompt = Prompt((7, ord("是"), ord("：")), "是：")
    assert pieces("是：(1)")["input_ids"][:3] != list(prompt.token_ids)
    assert encode_options(pieces, prompt, ["(1)"]) == ((ord("("), ord("1"), ord(")")),)
    other = Prompt((7, ord("是")), "是")
    assert encode_options(pieces, other, ["(1)"]) == ((ord("("), ord("1"), ord(")")),)


PATTERN = r'^[\s"(]*(\w+), = \d{0,3}|(x)'
"""With all that shells, Hydra and OmegaConf read: quotes, commas, equals, braces, backslashes."""
AS_CALL = r"""regex(pattern=r'^[\s"(]*(\w+), = \d{0,3}|(x)', ignore_case=True)"""


def settings_kept(folder: Path) -> dict[str, object]:
    (kept,) = folder.glob("scores/regex-1-*.json")
    assert kept.with_suffix("").is_dir()
    found = json.loads(kept.read_text("utf-8"))
    assert isinstance(found, dict)
    return found["arguments"]


def write_texts(folder: Path, texts: list[str]) -> None:
    """Put texts of our own in the place of what a tiny random model wrote."""
    for path in folder.glob("generations/*.parquet"):
        table = pq.read_table(path)
        place = table.schema.get_field_index("text")
        column = pa.array(texts, table.schema.field("text").type)
        path.write_bytes(to_parquet(table.set_column(place, table.schema.field("text"), column)))


@pytest.mark.parametrize(
    "given",
    [
        f"task.scorer={AS_CALL}",
        f"task.scorer=[option,{AS_CALL}]",
        # Hydra's quotes leave backslashes alone.
        "task.scorer={name:regex,pattern:'^[\\s\"(]*(\\w+), = \\d{0,3}|(x)',ignore_case:true}",
    ],
)
def test_a_scorer_with_arguments_from_the_command_line(here: Path, capsys, given: str) -> None:
    assert run(given, "limit=1", "grid=pairs", "grid.pairs=[[0,0],[0,1],[1,0]]") == 0
    (folder,) = (path.parent for path in Path("outputs").rglob("generations"))
    assert settings_kept(folder) == {"ignore_case": True, "pattern": PATTERN}
    assert run(given, "limit=1", "grid=pairs", "grid.pairs=[[0,0],[0,1],[1,0]]") == 0  # goes on


def test_texts_are_rescored_by_a_scorer_with_arguments(here: Path, capsys) -> None:
    size = ("limit=1", "grid=pairs", "grid.pairs=[[0,0],[0,1],[1,0]]")
    assert run("task.scorer=paper", *size) == 0
    (folder,) = (path.parent for path in Path("outputs").rglob("generations"))
    write_texts(folder, ['"1, = 22', "(2, = ", "X", "(1)"])  # gold is 1
    assert cli.main(["rescore", str(folder), f"scorer={AS_CALL},paper"]) == 0
    rows = generations()
    assert rows.answer.fillna("-").tolist() == [
        "1",
        "2",
        "-",
        "-",
    ]  # of "X" the first group takes no part
    assert rows.correct.tolist() == [True, False, False, False]
    assert settings_kept(folder) == {"ignore_case": True, "pattern": PATTERN}
    (label,) = {path.name for path in folder.glob("scores/regex*/")}
    part = pq.read_schema(folder / "generations" / "fr-0000.parquet")
    assert part.metadata[b"xtransplant.scorer"].decode() == label
    # The command that a refusal names is understood as it stands.
    capsys.readouterr()
    assert run(r"task.scorer=regex(pattern='\\d+')", *size) == 2
    error = capsys.readouterr().err
    assert f"holds verdicts of scorer {label}, this run asks for regex-1-" in error
    words = shlex.split(error.partition("without a GPU: ")[2])
    assert words[0] == "xtransplant" and cli.main(words[1:]) == 0
    assert generations().answer.fillna("-").tolist() == ["1", "2", "-", "1"]
    assert run(r"task.scorer=regex(pattern='\\d+')", *size) == 0
    # Without a scorer: those of the configuration, which the last command has changed.
    assert cli.main(["rescore", str(folder)]) == 0
    assert generations().answer.fillna("-").tolist() == ["1", "2", "-", "1"]


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        ("regex", "scorer regex needs the argument pattern, "),
        ("regex(pattern='(')", "pattern '(' of scorer regex is not a valid regular expression: "),
        ("regex(pattern='a',ignorecase=True)", "scorer regex: unknown argument 'ignorecase'; "),
        ("regex(pattern='a'", "cannot read \"task.scorer=regex(pattern='a'\": "),
        ("{name:regex,pattern:7}", "bad value 7 for pattern of scorer regex; allowed: text"),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(
    here: Path, capsys, scorer: str, message: str
) -> None:
    assert run(f"task.scorer={scorer}") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1
    assert not Path("outputs").exists()


def test_a_task_of_ones_own_names_a_scorer_with_arguments(here: Path) -> None:
    conf = here / "conf" / "task" / "mine.yaml"
    conf.parent.mkdir(parents=True)
    shipped = entries("task")["xnli"]
    lines = [line for line in shipped.read_text("utf-8").splitlines() if "scorer" not in line]
    more = ["scorer:", "- paper", "- name: regex", r"  pattern: '\d'", "- 'regex(pattern=\"a\")'"]
    conf.write_text("\n".join([*lines, *more]), "utf-8")
    config = compose(["task=mine", "languages=[fr]"], here / "conf")
    assert [scorer.setting for scorer in find_scorers(config.task.scorer)] == [
        "paper",
        r'regex(pattern="\\d")',
        'regex(pattern="a")',
    ]
    one = compose(["task=mine", "languages=[fr]", "task.scorer=option"], here / "conf")
    assert one.task.scorer == "option"


def test_a_sweep_takes_scorers_with_arguments() -> None:
    seen = sweep(
        ["task.scorer=paper,regex(pattern='a,b'),[f1,regex(pattern='(c)')]"],
        lambda make, overrides: make().task.scorer,
    )
    assert seen == ["paper", "regex(pattern='a,b')", ["f1", "regex(pattern='(c)')"]]
