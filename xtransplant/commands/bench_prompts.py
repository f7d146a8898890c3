"""The prompts of `xtransplant bench`: a written pair or files, of any number and length."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from xtransplant.errors import DataError
from xtransplant.models.families import Model
from xtransplant.prompts.tokenise import encode, require_room
from xtransplant.types import PromptPair


def read_texts(source: Path | None, target: Path | None) -> tuple[str, str]:
    """Return the texts of both prompts; without a file that of the written pair.

    Raises:
        DataError: a file that cannot be read, or is empty.
    """
    return _text(source, "source.txt"), _text(target, "target.txt")


def prompt_pairs(
    model: Model, texts: tuple[str, str], instances: int, prompt_tokens: int | None
) -> list[PromptPair]:
    """Return pairs that differ by a number in front, their target prompts of the given length."""
    pairs = []
    for number in range(instances):
        front = f"{number + 1}. " if instances > 1 else ""
        source, target = (
            encode(model.tokenizer, front + text, keep_end=bool(model.decoder_prompt))
            for text in texts
        )
        if prompt_tokens:
            target = encode(model.tokenizer, of_length(target.token_ids, prompt_tokens))
        pairs.append(PromptPair(source, target))
    return pairs


def of_length(ids: Sequence[int], n_tokens: int) -> list[int]:
    """Repeat a prompt, or cut out its middle: the number in front and the question's end stay."""
    repeated = list(ids) * (n_tokens // len(ids) + 1)
    n_front = n_tokens // 2
    return repeated[:n_front] + repeated[n_front - n_tokens :]


def require_both_fit(
    model: Model, pair: PromptPair, new_tokens: int, source: Path | None, target: Path | None
) -> None:
    """Raise PromptError where a prompt, and what is generated after it, exceeds the context."""
    answer = 0 if model.decoder_prompt else new_tokens
    for side, file, prompt, following in (
        ("source", source, pair.source, 0),
        ("target", target, pair.target, answer),
    ):
        name = f"the {'' if file else 'written '}{side} prompt (another one: --{side} FILE)"
        require_room(prompt, following, model.context_length, name)


def _text(path: Path | None, written: str) -> str:
    try:
        if path is None:
            return (files("xtransplant") / "assets" / "bench" / written).read_text("utf-8").strip()
        text = path.read_text("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read the prompt {path}: {reason}; give a text file") from error
    if not text:
        raise DataError(f"the prompt {path} is empty; give a text file")
    return text
