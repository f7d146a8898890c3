"""Data sets of a few made-up rows in the layout of their repositories on the hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

Rows = Sequence[Mapping[str, Any]]


def write_dataset(folder: Path, configs: Mapping[str, tuple[str, Rows]]) -> Path:
    """Write parquet files and the README that names them: split and rows by configuration."""
    lines = ["---", "configs:"]
    for config, (split, rows) in configs.items():
        path = folder / config / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(list(rows)).to_parquet(path)
        lines += [
            f"- config_name: {config!r}",
            "  data_files:",
            f"  - split: {split}",
            f"    path: {config}/{split}-*",
        ]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), "utf-8")
    return folder


def xnli(folder: Path, n: int = 6) -> Path:
    return write_dataset(
        folder,
        {
            language: (
                "test",
                [
                    {
                        "premise": f"{language} premise {row // 3}",
                        "hypothesis": f"{language} hypothesis {row}",
                        "label": (row + 1) % 3,
                    }
                    for row in range(n)
                ],
            )
            for language in ("en", "fr", "th")
        },
    )


def xquad(folder: Path, n: int = 6) -> Path:
    return write_dataset(
        folder,
        {
            f"xquad.{language}": (
                "validation",
                [
                    {
                        "id": f"q{row}",
                        "context": f"{language} passage {row // 2} of {{braces}}",
                        "question": f"{language} question {row}?",
                        "answers": {"text": [f"{language} answer {row}"], "answer_start": [0]},
                    }
                    for row in range(n)
                ],
            )
            for language in ("en", "ro")
        },
    )


def xcopa(folder: Path, n: int = 6) -> Path:
    return write_dataset(
        folder, {language: ("test", copa_rows(language, n)) for language in ("et", "qu")}
    )


def copa(folder: Path, n: int = 6) -> Path:
    """SuperGLUE's part of XCOPA; the labels of its test set are hidden."""
    rows = [{**row, "label": -1} for row in copa_rows("en", n)]
    return write_dataset(folder, {"copa": ("test", rows)})


def copa_rows(language: str, n: int) -> list[dict[str, Any]]:
    return [
        {
            "premise": f"{language} premise {row}",
            "choice1": f"{language} first {row}",
            "choice2": f"{language} second {row}",
            "question": "cause" if row % 2 else "effect",
            "label": row % 3 % 2,
            "idx": row,
        }
        for row in range(n)
    ]


def mkqa(folder: Path, languages: Sequence[str], n: int = 6) -> Path:
    """Question 1 has no answer in the last language, question 3 has two and an alias.

    The layout is that of the branch refs/convert/parquet: files alone, nothing that names them.
    """

    def answers(language: str, row: int) -> list[dict[str, Any]]:
        if row == 1 and language == languages[-1]:
            return [{"type": 7, "entity": "", "text": None, "aliases": []}]
        texts = [f"{language} answer {row}", f"{language} other {row}"][: 2 if row == 3 else 1]
        aliases = [f"{language} alias {row}"] if row == 3 else []
        return [{"type": 0, "entity": "", "text": text, "aliases": aliases} for text in texts]

    rows = [
        {
            "example_id": 100 + row,
            "queries": {language: f"{language} question {row}" for language in languages},
            "query": f"question {row}",
            "answers": {language: answers(language, row) for language in languages},
        }
        for row in range(n)
    ]
    (folder / "mkqa" / "train").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(folder / "mkqa" / "train" / "0000.parquet")
    return folder


def opinions(folder: Path, n: int = 4) -> Path:
    rows = [
        {
            "question": f"opinion {row}?",
            "selections": "defaultdict(<class 'list'>, {'Kenya (Non-national sample)': [0.2, 0.5, "
            f"0.3], 'Turkey': [0.6, 0.{row}, 0.1], 'Britain': [0.1, 0.2, 0.7], "
            "'Atlantis': [1, 0, 0]})",
            "options": "['Good', \"Isn't\", 3]",
            "source": "GAS",
        }
        for row in range(n)
    ]
    return write_dataset(folder, {"default": ("train", rows)})


def culture(folder: Path, n: int = 4, countries: Sequence[str] = ("Japan", "Turkey")) -> Path:
    easy = [
        {
            "data_idx": row,
            "question_idx": row,
            "prompt_question": f"culture {row}?",
            **{f"prompt_option_{key}": f"choice {key} {row}" for key in "abcd"},
            "answer": "ABCD"[row % 4],
            "country": countries[row % len(countries)],
        }
        for row in range(n)
    ]
    hard = [
        {
            "data_idx": 4 * row + statement,
            "question_idx": row,
            "prompt_question": f"culture {row}?",
            "prompt_option": f"choice {'abcd'[statement]} {row}",
            "answer": statement == row % 4,
            "country": countries[row % len(countries)],
        }
        for row in range(n)
        for statement in range(4)
    ]
    return write_dataset(
        folder, {"CulturalBench-Easy": ("test", easy), "CulturalBench-Hard": ("test", hard)}
    )


def belebele(folder: Path, n: int = 6) -> Path:
    return write_dataset(
        folder,
        {
            flores: (
                "test",
                [
                    {
                        "link": f"https://example.org/{row // 2}",
                        "question_number": row % 2 + 1,
                        "flores_passage": f"{flores} passage {row // 2}",
                        "question": f"{flores} question {row}?",
                        **{f"mc_answer{k}": f"{flores} choice {k} {row}" for k in range(1, 5)},
                        "correct_answer_num": str(row % 4 + 1),
                    }
                    # Rows of the languages are in another order; the link makes them parallel.
                    for row in (range(n) if flores == "eng_Latn" else reversed(range(n)))
                ],
            )
            for flores in ("eng_Latn", "swh_Latn")
        },
    )


def global_mmlu(folder: Path, n: int = 6) -> Path:
    return write_dataset(
        folder,
        {
            language: (
                "test",
                [
                    {
                        "sample_id": f"subject/test/{row}",
                        "question": f"{language} exam {row}?",
                        **{f"option_{key}": f"{language} {key} {row}" for key in "abcd"},
                        "answer": "ABCD"[row % 4],
                        "cultural_sensitivity_label": ("CS", "CA", "-")[row % 3],
                    }
                    for row in range(n)
                ],
            )
            for language in ("en", "fil")
        },
    )
