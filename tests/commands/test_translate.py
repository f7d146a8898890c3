"""Translations: made by a tiny random model, kept by content, never made twice."""

import json
import shlex
import subprocess
import sys

import datasets
import hub_folders
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoint import save_llama, tokenizer
from tiny_translator import save_translator
from transformers import AutoModelForSeq2SeqLM

from xtransplant.cli import app as cli
from xtransplant.commands.translate import texts_to_translate
from xtransplant.config.compose import compose
from xtransplant.errors import ConfigError, DataError, ModelError, OutputError
from xtransplant.languages import language
from xtransplant.models import translator as translator_module
from xtransplant.models.translator import Translator
from xtransplant.tasks.load import load_data
from xtransplant.tasks.translations import Translations


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_translator(tmp_path_factory.mktemp("translator") / "tiny-nllb")


@pytest.fixture
def task(tmp_path, monkeypatch, model):
    """The overrides of a culture task, with a cache of its own."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    data = hub_folders.culture(tmp_path / "data", n=8)
    return [
        *("task=culturalbench_easy", f"task.id='{data}'", "languages=[tr]", "split=all"),
        *(f"translation.model='{model}'", f"translation.folder='{tmp_path / 'kept'}'"),
        "translation.max_new_tokens=6",
    ]


def asked_for(monkeypatch):
    """Return the list of all texts that a model is given from here on."""
    texts = []
    original = Translator.__call__

    def noted(self, batch, source, target):
        texts.extend(batch)
        return original(self, batch, source, target)

    monkeypatch.setattr(translator_module.Translator, "__call__", noted)
    return texts


def test_what_a_run_reads_is_translated_once(task, tmp_path, model, monkeypatch):
    texts = asked_for(monkeypatch)
    assert cli.main(["translate", *task, "limit=1"]) == 0
    assert texts == ["culture 1?", *(f"choice {key} 1" for key in "abcd")]
    assert cli.main(["translate", *task, "limit=2"]) == 0
    assert texts[5:] == ["culture 3?", *(f"choice {key} 3" for key in "abcd")]
    assert cli.main(["translate", *task, "limit=2"]) == 0
    assert len(texts) == 10

    lines = (tmp_path / "kept" / "tiny-nllb" / "tr.jsonl").read_text("utf-8").splitlines()
    made = {row["text"]: row["translation"] for row in map(json.loads, lines)}
    assert list(made) == texts
    # The model itself, called as its documentation says.
    words = tokenizer()
    hf = AutoModelForSeq2SeqLM.from_pretrained(model)
    inputs = torch.tensor([words("culture 3?")["input_ids"]])
    code = 259 + 1  # the second code after 256 bytes and three special tokens
    (ids,) = hf.generate(inputs, forced_bos_token_id=code, max_new_tokens=6, do_sample=False)
    expected = words.decode([id for id in ids.tolist() if 3 <= id < 259])
    assert made["culture 3?"] == expected != ""

    (first, second) = load_data(compose([*task, "limit=2"])).instances["tr"]
    assert first.machine_translated and second.machine_translated
    assert f"Soru: {expected}\n\n(A) {made['choice a 3']}\n(B) " in second.source
    assert "Question: culture 3?" in second.target


@pytest.mark.parametrize(
    "overrides",
    [
        ("split=unseen", "task.sample_size=1"),
        ("split=unseen", "task.sample_size=3", "task.sample_seed=6"),
        ("limit=2", "control=random_instance"),
        ("limit=1", "task.revision=abc"),
        ("prompt.style=few_shot", "prompt.shots=1", "split=sample", "task.sample_size=2"),
        ("direction=en_to_x", "translation.folder='kept in here'"),
    ],
)
def test_the_command_that_is_named_makes_what_the_run_lacks(
    task, tmp_path, monkeypatch, capsys, overrides
):
    monkeypatch.chdir(tmp_path)
    data = hub_folders.culture(tmp_path / "more", countries=("Turkey",))
    config = compose([*task, f"task.id='{data}'", *overrides])
    with pytest.raises(DataError) as error:
        load_data(config)
    program, *arguments = shlex.split(str(error.value).partition("; make it: ")[2])
    assert program == "xtransplant" and cli.main(arguments) == 0
    assert all(each.machine_translated for each in load_data(config).instances["tr"])


def test_languages_that_only_a_control_reads_are_translated_too(tmp_path):
    rows = [
        {"id": "1", "language": code, "source": f"Ask {code}?", "gold": "x"}
        for code in ("sw", "fr")
    ]
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    asked = ["task=prompts", f"task.file='{file}'", "languages=[sw]", "control=shuffled_language"]
    assert set(texts_to_translate(compose(asked))) == {"sw", "fr"}


def test_an_interrupted_command_goes_on(task, tmp_path, monkeypatch):
    assert cli.main(["translate", *task]) == 0
    path = tmp_path / "kept" / "tiny-nllb" / "tr.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])  # the last line is cut short
    last = json.loads(whole.splitlines()[-1])["text"]
    with pytest.raises(DataError, match="no translation into 'tr' of"):
        load_data(compose(task))
    texts = asked_for(monkeypatch)
    assert cli.main(["translate", *task]) == 0
    assert texts == [last]
    assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    kept = Translations(tmp_path, "org/model", "main", "command")
    kept.open("org/model@main")
    kept.add("sw", {"a": "b"})
    path = kept.path("sw")
    assert path == tmp_path / "model@main" / "sw.jsonl"
    path.write_bytes(b"{}\n" + path.read_bytes())
    again = Translations(tmp_path, "org/model", "main", "command")
    with pytest.raises(DataError, match=r"sw.jsonl:1: not a translation; delete the line"):
        again("a", "sw")


@pytest.mark.parametrize("content", ["", "[]", '{"identity"'])
def test_a_damaged_file_of_the_models_identity_is_one_line(task, tmp_path, capsys, content):
    assert cli.main(["translate", *task, "limit=1"]) == 0
    path = tmp_path / "kept" / "tiny-nllb" / "model.json"
    path.write_text(content)
    assert cli.main(["translate", *task]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {path} is damaged; delete it and translate again"
    )
    path.unlink()
    assert cli.main(["translate", *task]) == 0


def test_another_model_of_the_same_name_is_refused(task, tmp_path, capsys):
    assert cli.main(["translate", *task, "limit=1"]) == 0
    other = save_translator(tmp_path / "elsewhere" / "tiny-nllb", seed=1)
    assert cli.main(["translate", *task, f"translation.model='{other}'"]) == 2
    assert "has translations by another model of that name" in capsys.readouterr().err


def test_the_run_key_follows_the_model(task, tmp_path):
    other = save_translator(tmp_path / "other-model", seed=1)
    overrides = [*task, "limit=1"]
    fingerprints = set()
    for given in (overrides, [*overrides, f"translation.model='{other}'"]):
        assert cli.main(["translate", *given]) == 0
        fingerprints.add(load_data(compose(given)).fingerprint)
    assert len(fingerprints) == 2


def test_texts_without_letters_are_their_own_translation(tmp_path):
    kept = Translations(tmp_path, "org/model", "main", "make it")
    assert kept("1.234 %", "sw") == "1.234 %"
    with pytest.raises(DataError, match=r"no translation into 'sw' of 'x' in .*; make it: make it"):
        kept("x", "sw")


def translate(folder, text="abc", instruction=None, max_new_tokens=4):
    made = Translator(
        str(folder), None, instruction, max_new_tokens, allow_pickle=False, device="cpu"
    )
    return made([text], language("en"), language("tr"))


def test_a_translation_that_does_not_end_is_refused(tmp_path):
    folder = save_translator(tmp_path / "endless", ends=False)
    with pytest.raises(ModelError, match=r"Turkish of 'abc' does not end within 4 tokens; raise"):
        translate(folder)


def test_a_causal_model_is_told_what_to_do(tmp_path, monkeypatch):
    folder = tmp_path / "causal"
    save_llama(folder, max_position_embeddings=256)
    told = []
    made = Translator(str(folder), None, None, 4, allow_pickle=False, device="cpu")
    words = made._tokenizer
    answer = words("Merhaba\nmore")["input_ids"]

    def generate(input_ids, **arguments):
        told.append((words.decode(input_ids[0]), arguments["do_sample"]))
        return torch.cat([input_ids, torch.tensor([answer])], dim=1)

    monkeypatch.setattr(made._model, "generate", generate)
    assert made(["Hello"], language("en"), language("tr")) == ["Merhaba"]
    assert told == [
        ("Translate from English to Turkish.\nEnglish: Hello\nTurkish:", False),
    ]


def test_a_causal_model_of_random_weights_runs(tmp_path):
    save_llama(tmp_path, max_position_embeddings=256)
    with pytest.raises(ModelError, match=r"^the translation into Turkish of 'abc' "):
        translate(tmp_path)


def test_own_instruction_needs_the_text(model):
    with pytest.raises(ConfigError, match=r"translation.instruction 'Say it' lacks \{text\}"):
        translate(model, instruction="Say it")


def test_a_model_that_is_not_there(tmp_path):
    with pytest.raises(ModelError) as error:
        translate(tmp_path / "no")
    assert str(error.value).startswith(f"no file or folder '{tmp_path}/no'")


def test_a_translator_whose_index_leads_to_a_pickle_is_refused(tmp_path):
    folder = save_translator(tmp_path / "odd")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "weights.bin")
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights, "weights.bin")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"index\.json' names 'weights\.bin' as weights; allowed:"):
        translate(folder)


def test_a_translator_without_weights_of_its_own_is_refused(tmp_path):
    folder = save_translator(tmp_path / "odd")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "fc1.weight" in name)
    save_file(
        {n: w for n, w in weights.items() if n != name},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match=f"lacks 1 weights that its config asks for: {name}"):
        translate(folder)


def test_braces_of_an_instruction_that_name_no_field_stay(tmp_path, model, monkeypatch):
    made = Translator(
        str(model), None, "{odd} {0} {text.__class__} {text}", 4, allow_pickle=False, device="cpu"
    )
    told = made._told("a {source_language} b", language("en"), language("tr"))
    assert told == "{odd} {0} {text.__class__} a {source_language} b"


ADD = """
import sys
from pathlib import Path
from xtransplant.tasks.translations import Translations
kept = Translations(Path(sys.argv[1]), "org/model", "main", "command")
for number in range(40):
    kept.add("fr", {f"{sys.argv[2]} {number}": "é" * 2000})
"""


def test_processes_that_add_at_once_break_no_line(tmp_path):
    kept = Translations(tmp_path, "org/model", "main", "command")
    kept.folder.mkdir()
    kept.path("fr").write_text('{"text": "cut off by a ki')
    adders = [
        subprocess.Popen([sys.executable, "-c", ADD, str(tmp_path), str(n)]) for n in range(3)
    ]
    assert [adder.wait() for adder in adders] == [0, 0, 0]
    found = kept.of_language("fr")
    assert sorted(found) == sorted(f"{who} {n}" for who in range(3) for n in range(40))


def test_translations_are_never_added_through_a_link(tmp_path):
    kept = Translations(tmp_path, "org/model", "main", "command")
    kept.folder.mkdir()
    (tmp_path / "precious").write_text("mine")
    kept.path("fr").symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError, match="symbolic link"):
        kept.add("fr", {"a": "b"})
    assert (tmp_path / "precious").read_text() == "mine"
