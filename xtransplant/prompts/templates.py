"""Questions to prompts, with the templates in `assets/prompts`, one YAML file each.

`layout` is the prompt, the same in every language; its `{names}` are phrases and fields. Phrases
are listed by language under `phrases`; those that several templates share are in `words.yaml`. A
phrase may contain fields itself, or be a mapping from the question's variant to a wording.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from xtransplant.errors import ConfigError, DataError, unknown
from xtransplant.languages import language as find_language
from xtransplant.types import Option, Question
from xtransplant.yaml_file import read_yaml

FOLDER = Path(__file__).parents[1] / "assets" / "prompts"
WORDS = "words"


@dataclass(frozen=True)
class Rendered:
    """A question as a prompt, with the options as the prompt shows them."""

    text: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Template:
    """One template in all of its languages.

    Attributes:
        name: name of the file, without the extension.
        digest: SHA-256 of the file and of `words.yaml`.
        layout: prompt with `{names}`.
        phrases: texts by language and name.
    """

    name: str
    digest: str
    layout: str
    phrases: Mapping[str, Mapping[str, Any]]

    def render(self, question: Question, language: str, keys: tuple[str, ...]) -> Rendered:
        """Return a question as a prompt.

        Args:
            question: question with the fields that the layout names.
            language: language of the instructions.
            keys: option keys, at least as many as the question has options.

        Raises:
            ConfigError: the template has no phrases in the language, or has stray braces.
            DataError: the question lacks a field, or has more options than there are keys.
        """
        code = find_language(language).code
        if code not in self.phrases:
            raise ConfigError(
                unknown("language", language, self.phrases, f"in template {self.name}")
            )
        phrases = dict(self.phrases[code])
        labels = phrases.pop("labels", None)
        texts = tuple(labels or question.options)
        if len(texts) > len(keys):
            raise DataError(
                f"question {question.id} has {len(texts)} options, but task.keys has {len(keys)}"
            )
        options = tuple(
            Option(f"({key})", text if labels else None, share)
            for key, text, share in zip(
                keys, texts, question.shares or [None] * len(texts), strict=False
            )
        )
        values = dict(question.fields) | {
            "markers": ", ".join(option.marker for option in options),
            "options": "\n".join(
                f"{option.marker} {text}" for option, text in zip(options, texts, strict=True)
            ),
        }
        try:
            return Rendered(self._filled_in(phrases, values, question.variant), options)
        except KeyError as error:
            raise DataError(
                f"template {self.name} ({language}) asks for {error}, which question "
                f"{question.id} lacks; it has {', '.join(sorted(question.fields))}"
            ) from error
        except (ValueError, AttributeError, IndexError) as error:
            raise ConfigError(
                f"template {self.name} ({language}) cannot be filled in: {error}; use braces only "
                "around names, and write any other brace twice: {{"
            ) from error

    def _filled_in(
        self, phrases: Mapping[str, Any], values: Mapping[str, str], variant: str
    ) -> str:
        """Return the layout with its names replaced by phrases and fields."""
        # Fields are inserted as values, so braces in them have no meaning.
        words = {
            name: _wording(phrase, variant).format_map(values)
            for name, phrase in phrases.items()
            if f"{{{name}}}" in self.layout
        }
        layout = self.layout
        for name, word in words.items():
            if word.endswith("："):  # a full-width colon includes its space
                layout = layout.replace(f"{{{name}}} ", f"{{{name}}}")
        return layout.format_map({**values, **words}).strip()


def load_template(name: str) -> Template:
    """Read a template, given its name in `assets/prompts` or the path of the user's own YAML file.

    Raises:
        ConfigError: there is no such template, or the file is malformed.
    """
    path = Path(name).expanduser() if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
    if not path.is_file():
        names = [file.stem for file in FOLDER.glob("*.yaml") if file.stem != WORDS]
        raise ConfigError(unknown("task.template", name, names, "or the path of a .yaml file"))
    return _read(path)


@cache
def _read(path: Path) -> Template:
    words_file = FOLDER / f"{WORDS}.yaml"
    own, words = read_yaml(path), read_yaml(words_file)
    if not isinstance(own.get("layout"), str):
        raise ConfigError(f"{path} has no text 'layout'; compare it with {FOLDER / 'choice.yaml'}")
    # A layout names the shared word "question" {question_word}, because {question} is the field.
    shared = {
        code: {
            (name if name == "choose" else f"{name}_word"): phrase for name, phrase in entry.items()
        }
        for code, entry in words.items()
    }
    phrases = own.get("phrases", shared)
    if not isinstance(phrases, dict) or not all(isinstance(p, dict) for p in phrases.values()):
        raise ConfigError(f"{path}: 'phrases' is not a mapping by language")
    for code, entry in phrases.items():
        labels = entry.get("labels", [])
        if not isinstance(labels, list) or not all(isinstance(text, str) for text in labels):
            raise ConfigError(f"{path}: labels of {code} are not a list of texts: {labels!r:.60}")
    digest = hashlib.sha256(path.read_bytes() + words_file.read_bytes()).hexdigest()
    return Template(
        name=path.stem,
        digest=digest,
        layout=own["layout"].rstrip("\n"),
        phrases={code: {**shared.get(code, {}), **entry} for code, entry in phrases.items()},
    )


def _wording(phrase: Any, variant: str) -> str:
    return str(phrase[variant] if isinstance(phrase, dict) else phrase)
