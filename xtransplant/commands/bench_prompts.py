"""Prompts for `xtransplant bench`: the built-in pair or files, in any number and length."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from xtransplant.errors import DataError
from xtransplant.files import read_regular
from xtransplant.models.families import Model
from xtransplant.prompts.tokenise import encode, require_room
from xtransplant.types import PromptPair


def read_texts(source: Path | None, target: Path | None) -> tuple[str, str]:
    """Return the texts of both prompts, from a file each, or the built-in text if it is None.

    Raises:
        DataError: a file cannot be read, or is empty.
    """
    return _text(source, "source.txt"), _text(target, "target.txt")


def prompt_pairs(
    model: Model, texts: tuple[str, str], instances: int, prompt_tokens: int | None
) -> list[PromptPair]:
    """Return prompt pairs.

    Args:
        model: model whose tokenizer is used.
        texts: source and target prompt.
        instances: number of pairs; if there are several, each prompt starts with a number.
        prompt_tokens: length to which target prompts are cut or repeated; None to leave them.
    """
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
    """Repeat a prompt or remove its middle; its start (the number) and its end are kept."""
    repeated = list(ids) * (n_tokens // len(ids) + 1)
    n_front = n_tokens // 2
    return repeated[:n_front] + repeated[n_front - n_tokens :]


def require_both_fit(
    model: Model, pair: PromptPair, new_tokens: int, source: Path | None, target: Path | None
) -> None:
    """Check that both prompts, and the new tokens after the target prompt, fit into the context.

    Raises:
        PromptError: they do not fit; the message names the option for another prompt.
    """
    answer = 0 if model.decoder_prompt else new_tokens
    for side, file, prompt, following in (
        ("source", source, pair.source, 0),
        ("target", target, pair.target, answer),
    ):
        name = f"the {'' if file else 'built-in '}{side} prompt (give another: --{side} FILE)"
        require_room(prompt, following, model.context_length, name)


def _text(path: Path | None, built_in: str) -> str:
    try:
        if path is None:
            return (files("xtransplant") / "assets" / "bench" / built_in).read_text("utf-8").strip()
        text = read_regular(path).decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read the prompt {path}: {reason}; give a text file") from error
    if not text:
        raise DataError(f"the prompt {path} is empty; give a text file")
    return text
