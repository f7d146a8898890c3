"""A SentencePiece file alone: its own ids, or one line; compared with SentencePiece itself."""

import json
import logging
import random
from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tiny_checkpoint import message
from transformers import AutoConfig

from xtransplant.models.loading import load_tokenizer

WORDS = [
    *("hello", "world", "the", "capital", "of", "is", "where", "who", "river", "Hello", "World"),
    *("paris", "in", "a"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    draw = random.Random(0)
    lines = (" ".join(draw.choices(WORDS, k=8)) for _ in range(400))
    (folder / "text").write_text("\n".join(lines))
    SentencePieceTrainer.train(
        input=str(folder / "text"),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=300,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return folder / "tokenizer.model"


def checkpoint(folder: Path, trained: Path, model_type: str, tokenizer_class: str | None) -> str:
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(trained.read_bytes())
    AutoConfig.for_model(model_type).save_pretrained(folder)
    if tokenizer_class:
        settings = {"tokenizer_class": tokenizer_class, "unk_token": "<unk>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return str(folder)


@pytest.mark.parametrize("model_type", ["llama", "gemma"])
def test_a_file_that_is_read_rightly_gives_its_own_ids(
    tmp_path: Path, trained: Path, model_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        made = load_tokenizer(checkpoint(tmp_path / "m", trained, model_type, "LlamaTokenizer"))
    own = SentencePieceProcessor(model_file=str(trained))
    for text in ("Hello world", "where is the river", "été 東京"):
        assert made(text, add_special_tokens=False)["input_ids"] == own.encode(text)
    # This one was trained to take out doubled spaces, which transformers keeps.
    (told,) = [r.getMessage() for r in caplog.records if "white space" in r.getMessage()]
    assert told.endswith(r"as in 'one\ntwo'")


@pytest.mark.parametrize(
    ("model_type", "tokenizer_class"),
    [("mistral", None), ("llama", None), ("mistral", "LlamaTokenizer"), ("gemma", None)],
)
def test_a_file_that_is_read_as_another_tokenizer_is_refused(
    tmp_path: Path, trained: Path, model_type: str, tokenizer_class: str | None
) -> None:
    folder = checkpoint(tmp_path / "m", trained, model_type, tokenizer_class)
    told = message(lambda: load_tokenizer(folder))
    own = SentencePieceProcessor(model_file=str(trained)).encode("Hello world")
    assert told.startswith(f"'{folder}' has a tokenizer.model and no tokenizer.json, and transf")
    assert "'Hello world' gives [" in told and f"SentencePiece itself {own}; name its" in told
