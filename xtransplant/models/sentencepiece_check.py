"""A check that transformers reads a SentencePiece model without a tokenizer.json correctly.

transformers chooses a tokenizer class by the model's type and tokenizer_config.json. If the file
was made for another class, texts get other ids than those the checkpoint was trained on.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor

from xtransplant.errors import ModelError

LOG = logging.getLogger(__name__)

FILE = "tokenizer.model"
TEXTS = ("Hello world", "Où est l'été ?", "Где Волга, 2016", "東京はどこですか", "नई दिल्ली")
WHITE_SPACE = ("one\ntwo", "one  two")


def require_sentencepiece_ids(folder: Path, tokenizer: Any, id: str) -> None:
    """Compare a tokenizer with the SentencePiece model that it was read from, on a few texts.

    Args:
        folder: folder of the checkpoint.
        tokenizer: tokenizer that transformers has read.
        id: name of the checkpoint in messages.

    Raises:
        ModelError: the ids differ.
    """
    if (folder / "tokenizer.json").is_file() or not (folder / FILE).is_file():
        return
    try:
        model = SentencePieceProcessor(model_file=str(folder / FILE))
    except (OSError, RuntimeError):  # a file of another kind, such as tiktoken's
        return
    for text in TEXTS:
        if not _same(tokenizer, model, text):
            raise ModelError(
                f"{id!r} has a {FILE} and no tokenizer.json, and transformers reads it as another "
                f"tokenizer: {text!r} gives {_ids(tokenizer, text)}, SentencePiece itself "
                f"{model.encode(text)}; name its class in tokenizer_config.json, such as "
                "LlamaTokenizer, or add the tokenizer.json"
            )
    if different := [text for text in WHITE_SPACE if not _same(tokenizer, model, text)]:
        LOG.warning(
            "%s: the tokenizer keeps white space that its SentencePiece model removes, as in %r",
            id,
            different[0],
        )


def _same(tokenizer: Any, model: Any, text: str) -> bool:
    """Return whether the ids are equal, or differ by a constant, as in some families."""
    ids, wanted = _ids(tokenizer, text), model.encode(text)
    known = [
        found - right
        for found, right in zip(ids, wanted, strict=False)
        if found != tokenizer.unk_token_id or right != model.unk_id()
    ]
    return len(ids) == len(wanted) and len(set(known)) <= 1


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
