"""Translation of texts by any seq2seq or causal model of transformers.

This module finds a tokenizer's tokens for language codes. It knows no tasks and no files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch

from xtransplant.errors import ConfigError, ModelError
from xtransplant.languages import Language
from xtransplant.models.loading import choose_device, open_translator

CAUSAL_INSTRUCTION = (
    "Translate from {source_language} to {target_language}.\n"
    "{source_language}: {text}\n"
    "{target_language}:"
)
"""Instruction for a causal model if the user gives none."""
FIELD = re.compile(r"\{(source_language|target_language|text)\}")


class Translator:
    """A model that translates greedily.

    Args:
        model: Hugging Face id or local folder.
        revision: commit, tag or branch of a Hugging Face id.
        instruction: prompt with the field `{text}` and optionally `{source_language}` and
            `{target_language}`; None for the text alone, or for `CAUSAL_INSTRUCTION` with a causal
            model.
        max_new_tokens: maximum number of tokens of a translation.
        allow_pickle: whether to read pickled weights.
        device: name of the device, as for `load_model`.

    Raises:
        ModelError: the model cannot be found or read.
        ConfigError: the instruction lacks `{text}`.
    """

    def __init__(
        self,
        model: str,
        revision: str | None,
        instruction: str | None,
        max_new_tokens: int,
        *,
        allow_pickle: bool,
        device: str,
    ) -> None:
        self._max_new_tokens = max_new_tokens
        self._device = choose_device(device)
        self._model, self._tokenizer = open_translator(
            model, revision, self._device, allow_pickle=allow_pickle
        )
        self._causal = not self._model.config.is_encoder_decoder
        self._instruction = instruction or (CAUSAL_INSTRUCTION if self._causal else "{text}")
        if "{text}" not in self._instruction:
            raise ConfigError(f"translation.instruction {self._instruction!r} lacks {{text}}")

    def __call__(self, texts: Sequence[str], source: Language, target: Language) -> list[str]:
        """Translate one-line texts, each by itself, so that none depends on the others.

        Raises:
            ModelError: a translation is empty, or does not end within `max_new_tokens`.
        """
        return [self._translate(text, source, target) for text in texts]

    def _translate(self, text: str, source: Language, target: Language) -> str:
        told = self._told(text, source, target)
        arguments: dict[str, Any] = {}
        if not self._causal:
            if source_code := self._code(source):
                self._tokenizer.src_lang = source_code
            if target_code := self._code(target):
                arguments["forced_bos_token_id"] = self._tokenizer.convert_tokens_to_ids(
                    target_code
                )
        else:
            arguments |= {"stop_strings": ["\n"], "tokenizer": self._tokenizer}
        inputs = self._tokenizer(told, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            ids = self._model.generate(
                **inputs,
                **arguments,
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._max_new_tokens,
            )[0]
        # A causal model returns the prompt, too; an encoder-decoder model only its start token.
        n_read = inputs["input_ids"].shape[1] if self._causal else 1
        ids = ids[n_read:]
        answer = str(self._tokenizer.decode(ids, skip_special_tokens=True)).strip()
        ended = len(ids) < self._max_new_tokens or int(ids[-1]) in self._ends()
        if self._causal:  # it may continue after the end of the line
            answer, newline, _ = answer.partition("\n")
            ended = ended or bool(newline)
        what = f"the translation into {target.name} of {text[:40]!r}"
        if not answer.strip():
            raise ModelError(f"{what} is empty; choose another translation.model")
        if not ended:
            raise ModelError(
                f"{what} does not end within {self._max_new_tokens} tokens; raise "
                "translation.max_new_tokens or choose another translation.model"
            )
        return answer.strip()

    def _told(self, text: str, source: Language, target: Language) -> str:
        """Return the instruction with its fields filled in; other braces stay as they are."""
        fields = {"source_language": source.name, "target_language": target.name, "text": text}
        return FIELD.sub(lambda found: fields[found[1]], self._instruction)

    def _ends(self) -> set[int]:
        ends = self._model.generation_config.eos_token_id
        return set(ends if isinstance(ends, list) else [ends])

    def _code(self, language: Language) -> str | None:
        """Return the tokenizer's token for a language; None if it has none."""
        vocabulary = self._tokenizer.get_vocab()
        special = set(self._tokenizer.all_special_tokens) | set(self._tokenizer.get_added_vocab())
        candidates = (language.flores, language.code, f"__{language.code}__")
        return next((each for each in candidates if each in vocabulary and each in special), None)
