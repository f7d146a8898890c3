"""The pocket world: the names of some people's animals, asked for in six languages.

This module has the words, facts, sentences and splits. Everything is derived from `SEED` with
`random.Random` over lists, so every machine makes the same files.

A fact is (owner, animal) -> name; people and animals have the same names in all languages. The
English training text has every fact, other languages have a share of them (`COVERAGE`), and a
dictionary links their words to the English ones. The dev and test questions ask for facts that only
the English text has, so a right answer to a German question uses a fact learnt in English.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

SEED = 20241216
PIVOT = "en"
COVERAGE = {"de": 0.80, "es": 0.60, "tr": 0.40, "id": 0.20, "sw": 0.10}
LANGUAGES = (PIVOT, *COVERAGE)
SPLITS = ("dev", "test")
N_NAMES = 120

_OWNERS = """
Ada Amir Anders Asha Aylin Baraka Bruno Carla Chen Dalia Defne Diego Elena Emre Erik Farah Felix
Fumiko Greta Hadi Hana Hugo Imani Ivan Jana Juma Kaito Kemal Laila Lars Leyla Lina Luis Marta Murat
Nadia Noor Olga Omar Paula Putri Rosa Sven Tariq Tomas Umar Vera Wanjiru Yara Yuki
"""
OWNERS = _OWNERS.split()
# Words in the form that the question needs. A plus marks an ending that is a separate token; it is
# removed from texts.
_COLUMNS = ("en", "de", "es", "tr", "id", "sw")
_ROWS = (
    ("cat", "die Katze", "el gato", "kedi+sinin", "kucing", "paka"),
    ("horse", "das Pferd", "el caballo", "at+ının", "kuda", "farasi"),
    ("goat", "die Ziege", "la cabra", "keçi+sinin", "kambing", "mbuzi"),
    ("camel", "das Kamel", "el camello", "deve+sinin", "unta", "ngamia"),
    ("monkey", "der Affe", "el mono", "maymun+unun", "monyet", "tumbili"),
    ("parrot", "der Papagei", "el loro", "papağan+ının", "nuri", "kasuku"),
    ("sheep", "das Schaf", "la oveja", "koyun+unun", "domba", "kondoo"),
    ("rabbit", "das Kaninchen", "el conejo", "tavşan+ının", "kelinci", "sungura"),
    ("snake", "die Schlange", "la serpiente", "yılan+ının", "ular", "nyoka"),
    ("bird", "der Vogel", "el pájaro", "kuş+unun", "burung", "ndege"),
)
ANIMALS = {language: [row[column] for row in _ROWS] for column, language in enumerate(_COLUMNS)}
QUESTIONS = {
    "en": "Question: What is {owner}+'s {animal} called? Answer:",
    "de": "Frage: Wie heißt {animal} von {owner}? Antwort:",
    "es": "Pregunta: ¿Cómo se llama {animal} de {owner}? Respuesta:",
    "tr": "Soru: {owner} adlı kişinin {animal} adı ne? Cevap:",
    "id": "Pertanyaan: Siapa nama {animal} {owner}? Jawaban:",
    "sw": "Swali: Jina la {animal} wa {owner} ni nani? Jibu:",
}
LANGUAGE_NAMES = {
    "de": "German",
    "es": "Spanish",
    "tr": "Turkish",
    "id": "Indonesian",
    "sw": "Swahili",
}
FROM_ENGLISH = "The {language} word for {english} is"
TO_ENGLISH = {
    "de": "Das englische Wort für {word} ist",
    "es": "La palabra inglesa para {word} es",
    "tr": "Söyle, İngilizcede {word} ne demek? Cevap:",
    "id": "Kata bahasa Inggris untuk {word} adalah",
    "sw": "Neno la Kiingereza la {word} ni",
}
ARTICLES = ("der", "die", "das", "el", "la")


@dataclass(frozen=True, slots=True)
class Fact:
    """The name of someone's animal; `animal` is an index into each list of `ANIMALS`."""

    owner: str
    animal: int
    name: str

    @property
    def id(self) -> str:
        """Id of the fact, the same in every language."""
        return f"{self.owner.lower()}-{ANIMALS[PIVOT][self.animal]}"

    def question(self, language: str) -> str:
        """Return the prompt, with a plus between a stem and its ending."""
        animal = ANIMALS[language][self.animal]
        return QUESTIONS[language].format(owner=self.owner, animal=animal)


def facts() -> list[Fact]:
    """Return all facts of the world.

    The order decides what a language is told: the first share of the list. Every owner comes once
    before any comes twice.
    """
    rng = random.Random(SEED)
    names = _names(rng)
    n_animals = len(ANIMALS[PIVOT])
    animals = {owner: rng.sample(range(n_animals), n_animals) for owner in OWNERS}
    return [
        Fact(owner, animals[owner][turn], rng.choice(names))
        for turn in range(n_animals)
        for owner in rng.sample(OWNERS, len(OWNERS))
    ]


def told(language: str) -> list[Fact]:
    """Return the facts in the training text of a language."""
    world = facts()
    return world[: round(COVERAGE.get(language, 1.0) * len(world))]


def unseen(split: str) -> list[Fact]:
    """Return the facts of a split: facts that only the English training text has.

    They are the same in every language. Each animal's facts go to the splits in turn, so that no
    split has harder words.
    """
    world = facts()
    rest = world[round(max(COVERAGE.values()) * len(world)) :]
    dealt = sorted(rest, key=lambda fact: fact.animal)[SPLITS.index(split) :: len(SPLITS)]
    return random.Random(f"{SEED} {split}").sample(dealt, len(dealt))


def instances(split: str, language: str) -> list[dict[str, str]]:
    """Return the rows of one task file."""
    return [
        {
            "id": fact.id,
            "source": text(fact.question(PIVOT)),
            "target": text(fact.question(language)),
            "gold": fact.name,
        }
        for fact in unseen(split)
    ]


def training_pairs(language: str) -> list[tuple[str, str]]:
    """Return the training text of a language as (prompt, answer): facts, then the dictionary."""
    pairs = [(fact.question(language), fact.name) for fact in told(language)]
    if language == PIVOT:
        return pairs
    for form, english in zip(ANIMALS[language], ANIMALS[PIVOT], strict=True):
        word = citation(form)
        asked = FROM_ENGLISH.format(language=LANGUAGE_NAMES[language], english=english)
        pairs.append((TO_ENGLISH[language].format(word=word), english))
        pairs.append((asked, word))
    return pairs


def citation(form: str) -> str:
    """Return the dictionary form of a word: no article, no ending."""
    words = form.split("+")[0].split()
    return " ".join(words[1:] if words[0] in ARTICLES else words)


def text(marked: str) -> str:
    """Return a sentence without the marks of endings."""
    return marked.replace("+", "")


def pieces(marked: str) -> list[str]:
    """Split a marked sentence into tokens; those that continue a word begin with ##."""
    tokens = []
    for word in marked.split():
        for index, part in enumerate(re.findall(r"[?:,]|[^?:,+]+", word)):
            tokens.append(f"##{part}" if index else part)
    return tokens


def vocabulary() -> list[str]:
    """Return all tokens: those of the sentences, then each letter, for spelling other words."""
    tokens = dict.fromkeys(
        piece
        for language in LANGUAGES
        for pair in training_pairs(language)
        for sentence in pair
        for piece in pieces(sentence)
    )
    letters = sorted({letter for token in tokens for letter in token.removeprefix("##")})
    return list(tokens | dict.fromkeys([*letters, *(f"##{letter}" for letter in letters)]))


def _names(rng: random.Random) -> list[str]:
    """Invent names of two or three syllables."""
    names: dict[str, None] = {}
    while len(names) < N_NAMES:
        syllables = [rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3)]
        name = "".join(syllables[: rng.choice((2, 3))]).capitalize()
        if name not in OWNERS:
            names[name] = None
    return list(names)
