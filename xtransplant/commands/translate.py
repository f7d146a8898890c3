"""`xtransplant translate`: find the texts that a run lacks in its languages, and translate them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from xtransplant.config.schema import RunConfig
from xtransplant.languages import language as find_language
from xtransplant.tasks.load import load_data, open_translations
from xtransplant.tasks.translations import needs_translation
from xtransplant.terminal import Console

BATCH = 16
"""Number of texts between two writes; an interrupted command loses at most so many."""


def run_translate(config: RunConfig, console: Console) -> None:
    """Translate the texts that a run with this configuration lacks; keep existing ones."""
    wanted = texts_to_translate(config)
    translations = open_translations(config)
    missing = {
        language: [text for text in texts if text not in translations.of_language(language)]
        for language, texts in wanted.items()
    }
    n_missing = sum(map(len, missing.values()))
    console.info(f"{sum(map(len, wanted.values())) - n_missing:,} texts are translated already")
    if n_missing:
        # Imported here, because a command with nothing to do needs no model.
        from xtransplant.models.loading import identity
        from xtransplant.models.translator import Translator

        given = config.translation
        made_by = identity(given.model, revision=translations.revision)
        translations.open(f"{made_by} {given.instruction}" if given.instruction else made_by)
        translator = Translator(
            given.model,
            translations.revision,
            given.instruction,
            given.max_new_tokens,
            allow_pickle=given.allow_pickle,
            device=config.device,
        )
        pivot = find_language(config.task.pivot)
        for language, texts in missing.items():
            for start in range(0, len(texts), BATCH):
                batch = texts[start : start + BATCH]
                answers = translator(batch, pivot, find_language(language))
                translations.add(language, dict(zip(batch, answers, strict=True)))
                console.info(f"{language}: {start + len(batch):,} of {len(texts):,}")
    console.write(f"translations: {translations.folder}")


def texts_to_translate(config: RunConfig) -> Mapping[str, list[str]]:
    """Return the distinct texts that a run needs in each language, in the order of reading."""
    # All languages are noted, because a control may read others than the run's.
    wanted = defaultdict[str, dict[str, None]](dict)

    def note(text: str, language: str) -> str:
        if needs_translation(text):
            wanted[language][text] = None
        return text

    load_data(config, note)
    return {language: list(texts) for language, texts in wanted.items()}
