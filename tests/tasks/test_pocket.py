"""The embedded model and its task, against the generator in scripts/ that made them."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
import yaml

from xtransplant.config.compose import conf_dir
from xtransplant.engine.load_model import load_model
from xtransplant.errors import DataError
from xtransplant.prompts.tokenise import decode_text, encode
from xtransplant.tasks.loaders import LOADERS
from xtransplant.tasks.pocket import Pocket
from xtransplant.types import Direction

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "xtransplant" / "assets" / "pocket"
CONF = yaml.safe_load((conf_dir() / "task" / "pocket.yaml").read_text("utf-8"))
MODEL = yaml.safe_load((conf_dir() / "model" / "pocket.yaml").read_text("utf-8"))
SPLITS, LANGUAGES = CONF["splits"], CONF["languages"]
OTHERS = [language for language in LANGUAGES if language != "en"]


def generator():
    path = ROOT / "scripts" / "pocket_sentences.py"
    spec = importlib.util.spec_from_file_location("pocket_sentences", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


world = generator()


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL["id"], distribution=MODEL["distribution"], device="cpu")


def load(split="dev", language="sw", data_dir=None, direction=Direction.EN_TO_X):
    source = Pocket(data_dir, "en")
    return [draft.build() for draft in source.lazy_instances(split, language, direction)]


def test_configuration_names_what_the_generator_makes():
    assert CONF["loader"] in LOADERS
    assert sorted(LANGUAGES) == sorted(world.LANGUAGES)
    assert tuple(SPLITS) == world.SPLITS


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_generator_reproduces_the_shipped_questions(split, language):
    rows = world.instances(split, language)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    assert (ASSETS / "task" / split / f"{language}.jsonl").read_bytes() == lines.encode()
    loaded = load(split, language)
    assert [(i.id, i.source, i.target, i.gold) for i in loaded] == [
        (*row.values(),) for row in rows
    ]


@pytest.mark.parametrize("split", SPLITS)
def test_questions_are_enough_and_parallel(split):
    ids = [instance.id for instance in load(split, "en")]
    assert len(ids) == len(set(ids)) >= 40
    for language in OTHERS:
        instances = load(split, language)
        assert [instance.id for instance in instances] == ids
        assert [i.gold for i in instances] == [i.gold for i in load(split, "en")]
        assert all(instance.source != instance.target for instance in instances)


def test_splits_are_disjoint():
    for part in ("id", "source", "target"):
        dev, test = ({getattr(i, part) for i in load(split, "tr")} for split in SPLITS)
        assert not dev & test


@pytest.mark.parametrize("language", OTHERS)
def test_questions_were_told_in_english_alone(language):
    """Read off the training sentences, not off the generator's own list of what is unseen."""
    told = {world.text(prompt) for prompt, _ in world.training_pairs(language)}
    english = {world.text(prompt): answer for prompt, answer in world.training_pairs("en")}
    for split in SPLITS:
        for instance in load(split, language):
            assert instance.target not in told
            assert english[instance.source] == instance.gold


def test_coverage_is_unequal_and_every_word_is_met():
    n_facts = len(world.facts())
    shares = {language: len(world.told(language)) / n_facts for language in world.LANGUAGES}
    assert shares == {"en": 1, **world.COVERAGE}
    assert sorted(shares.values(), reverse=True) == list(shares.values())
    for language in LANGUAGES:
        facts = world.told(language)
        assert {fact.animal for fact in facts} == set(range(len(world.ANIMALS["en"])))
        assert {fact.owner for fact in facts} == set(world.OWNERS)


def test_facts_are_told_alike_in_every_language():
    names = {fact.id: fact.name for fact in world.told("en")}
    assert len(names) == len(world.OWNERS) * len(world.ANIMALS["en"])
    for language in OTHERS:
        assert all(names[fact.id] == fact.name for fact in world.told(language))


def test_the_package_stays_small():
    weights = [file for file in ASSETS.iterdir() if file.is_file()]
    assert sum(file.stat().st_size for file in weights) <= 6e6
    assert {file.name for file in weights} == {
        *("config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    }


def test_model_is_a_small_llama(model):
    assert model.hf.config.model_type == "llama"
    assert model.n_layers == 8
    assert 1e6 <= sum(parameter.numel() for parameter in model.hf.parameters()) <= 3e6
    assert model.eos_token_ids == {model.tokenizer.eos_token_id}


@pytest.mark.parametrize("language", LANGUAGES)
def test_tokenizer(model, language):
    """BOS once, no EOS, no unknown token, the pieces that the generator means, and back again."""
    tokenizer = model.tokenizer
    for fact in world.unseen("dev"):
        marked = fact.question(language)
        text = world.text(marked)
        ids = encode(tokenizer, text).token_ids
        assert ids[0] == tokenizer.bos_token_id
        assert not {*ids[1:]} & {*tokenizer.all_special_ids}
        assert tokenizer.convert_ids_to_tokens(list(ids[1:])) == world.pieces(marked)
        assert decode_text(tokenizer, ids) == text
        assert len(ids) > 8
        assert len(tokenizer(fact.name)["input_ids"]) == 2


def test_generator_reproduces_the_vocabulary(model):
    tokenizer = model.tokenizer
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert tokens == ["<s>", "</s>", "<pad>", "<unk>", *world.vocabulary()]


def test_an_unknown_word_is_spelt(model):
    ids = encode(model.tokenizer, "Zug").token_ids
    assert model.tokenizer.unk_token_id not in ids
    assert decode_text(model.tokenizer, ids) == "Zug"


@torch.inference_mode()
def answers(model, language, split):
    """Answer greedily with `generate`, one prompt at a time."""
    found = []
    for instance in load(split, language):
        ids = torch.tensor([encode(model.tokenizer, instance.target).token_ids])
        out = model.hf.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False
        )
        assert out[0, -1] == model.tokenizer.eos_token_id
        found.append((decode_text(model.tokenizer, out[0, ids.shape[1] :].tolist()), instance.gold))
    return found


def recall(model, language, split):
    pairs = answers(model, language, split)
    return sum(text == gold for text, gold in pairs) / len(pairs)


@pytest.mark.parametrize("split", SPLITS)
def test_english_knows_and_swahili_does_not(model, split):
    assert recall(model, "en", split) >= 0.95
    assert recall(model, "sw", split) <= 0.5


def test_direction_swaps_the_prompts():
    into, out_of = load(), load(direction=Direction.X_TO_EN)
    assert [(i.source, i.target) for i in into] == [(i.target, i.source) for i in out_of]
    assert (into[0].source_language, into[0].target_language) == ("en", "sw")
    assert (out_of[0].source_language, out_of[0].target_language) == ("sw", "en")
    assert into[0].source.startswith("Question:")
    assert {i.language for i in (*into, *out_of)} == {"sw"}


def test_fingerprint_follows_content_and_not_place(tmp_path):
    for name, gold in (("a", "Mira"), ("b", "Mira"), ("c", "Miro")):
        write(tmp_path / name, [row(gold=gold)])
    a, b, c = (Pocket(tmp_path / name, "en").fingerprint("dev") for name in "abc")
    assert a == b != c
    assert Pocket(None, "en").fingerprint("dev") != Pocket(None, "en").fingerprint("test")


def row(**changes):
    return {"id": "1", "source": "What?", "target": "Was?", "gold": "Mira", **changes}


def write(folder, rows):
    (folder / "dev").mkdir(parents=True)
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    (folder / "dev" / "de.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def test_a_folder_of_ones_own(tmp_path):
    write(tmp_path, [row(), row(id="2", target="Was\u2028nun?")])
    first, second = load(language="de", data_dir=tmp_path)
    assert (first.id, first.target, first.gold) == ("1", "Was?", "Mira")
    assert (second.id, second.target) == ("2", "Was\u2028nun?")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON: '{'"),
        ("", "an empty line; delete it"),
        ("[]", "expected an object with the texts id, source, target, gold"),
        (row(gold=" "), "expected an object with the texts id, source, target, gold"),
        (row(gold=3), "expected an object with the texts id, source, target, gold"),
        ({"id": "1"}, "expected an object with the texts id, source, target, gold"),
    ],
)
def test_malformed_line(tmp_path, line, message):
    write(tmp_path, [row(), line])
    with pytest.raises(DataError) as error:
        load(language="de", data_dir=tmp_path)
    assert str(error.value) == f"{tmp_path / 'dev' / 'de.jsonl'}:2: {message}"


def test_unknown_names():
    with pytest.raises(DataError, match=r"^unknown split 'tset'; allowed: dev, test; nearest"):
        load(split="tset")
    with pytest.raises(DataError, match=r"^unknown language 'fr'; allowed: de, en, es, id, sw, tr"):
        load(language="fr")
    with pytest.raises(DataError, match="unknown split"):
        Pocket(None, "en").fingerprint("tset")


def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(DataError) as error:
        load(data_dir=tmp_path / "no")
    assert str(error.value) == f"no folder at task.data_dir='{tmp_path}/no'; check the path"
