"""From a checkpoint's id to a folder of files that transformers can read.

An id is a Hugging Face id, a local folder, a GGUF file, or a path inside an installed package;
`resolve` decides which. No tensors are read here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from xtransplant.errors import ModelError
from xtransplant.files import read_regular
from xtransplant.jsonl import parse_json
from xtransplant.models.gguf import Gguf, converted, is_gguf
from xtransplant.models.hf_errors import one_line_errors
from xtransplant.models.hub import Snapshot
from xtransplant.models.packaged import find_packaged
from xtransplant.progress import OnStep

CONFIG = "config.json"
VOCABULARIES = (
    *("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tekken.json"),
    *("spiece.model", "sentencepiece.bpe.model", "*.tiktoken"),
)
SETTINGS = (
    *(CONFIG, "generation_config.json", *VOCABULARIES, "merges.txt", "tokenizer_config.json"),
    *("special_tokens_map.json", "added_tokens.json", "chat_template.jinja"),
)
"""The files, besides the weights, that results depend on."""

SAFETENSORS = "model.safetensors"
PICKLE = "pytorch_model.bin"


MOST_LAYERS = 1000
"""Most layers that a configuration may ask for, of any kind; known models have up to 130."""


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository of the Hugging Face hub."""

    repo: str
    revision: str | None


Place = HubId | Path | Gguf


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint, with its settings in `folder`; `weight_files` adds the weights.

    Attributes:
        id: id as given by the user.
        arguments: arguments for transformers' `from_pretrained`.
        folder: folder of its files.
        fetch: function that downloads named files, if they exist, to the folder and returns it.
        revision: commit of a hub id or digest of a GGUF file; None for a folder.
    """

    id: str
    arguments: dict[str, Any]
    folder: Path
    fetch: Callable[[Sequence[str]], Path]
    revision: str | None


def resolve(id: str, revision: str | None, distribution: str | None) -> Place:
    """Return where an id points: a hub repository, a folder with a config.json, or a GGUF file.

    Raises:
        ModelError: a path that does not exist or is none of these.
    """
    place: Place
    path = Path(id).expanduser()
    if distribution is not None:
        place = find_packaged(distribution, id)
    elif path.is_file() and is_gguf(path):
        place = Gguf(path.name, (path,))
    elif path.exists():
        place = path
    elif is_gguf(path) or path.is_absolute() or id.startswith((".", "~")):
        raise ModelError(f"no file or folder {id!r}{nearest(id)}")
    else:
        return HubId(id, revision)
    if revision is not None:
        raise ModelError(f"revision {revision!r} is for hub ids, but {id!r} is a local file")
    if isinstance(place, Path) and not (place / CONFIG).is_file():
        found = ", ".join(sorted(file.name for file in place.glob("*") if is_gguf(file)))
        raise ModelError(
            f"{id!r} is not a checkpoint: it has no {CONFIG}"
            + (f"; give the path of its GGUF file: {found}" if found else "")
        )
    return place


def open_checkpoint(
    place: Place, id: str, *, trust_remote_code: bool, on_step: OnStep
) -> Checkpoint:
    """Fetch a checkpoint's settings; a GGUF file is converted when first used.

    Raises:
        ModelError: the checkpoint cannot be found, fetched or converted.
    """
    arguments: dict[str, Any] = {"trust_remote_code": trust_remote_code, "local_files_only": True}
    if isinstance(place, HubId):
        code = ("*.py",) if trust_remote_code else ()
        try:
            snapshot = Snapshot(place.repo, place.revision, on_step)
            folder = snapshot.fetch((*SETTINGS, *code))
        except ModelError as error:
            raise ModelError(f"{error}{nearest(id)}") from error
        if not (folder / CONFIG).is_file():
            raise ModelError(f"hub model {id!r} has no {CONFIG}; it is not for transformers")
        # By id, not by folder, because transformers corrects some checkpoints by their id.
        arguments |= {"pretrained_model_name_or_path": place.repo, "revision": folder.name}
        _require_layers(folder, id)
        return Checkpoint(id, arguments, folder, snapshot.fetch, folder.name)
    folder = converted(place, on_step) if isinstance(place, Gguf) else place
    digest = f"sha256:{place.digest(on_step)}" if isinstance(place, Gguf) else None
    arguments |= {"pretrained_model_name_or_path": str(folder)}
    _require_layers(folder, id)
    return Checkpoint(id, arguments, folder, lambda _names: folder, digest)


def weight_files(checkpoint: Checkpoint, *, allow_pickle: bool) -> list[str]:
    """Fetch the weights; return their file names, with an index first if there is one.

    As in transformers, safetensors are preferred to pickles, and one file to shards.

    Raises:
        ModelError: there are no weights, or only pickles, which are not allowed.
    """
    for single in (SAFETENSORS, PICKLE) if allow_pickle else (SAFETENSORS,):
        index = f"{single}.index.json"
        folder = checkpoint.fetch((single, index))
        if (folder / single).is_file():
            return [single]
        if (folder / index).is_file():
            with one_line_errors(f"{checkpoint.id}/{index}"):
                shards = set(read_object(folder / index)["weight_map"].values())
            _require_plain_names(shards, Path(single).suffix, f"{checkpoint.id}/{index}")
            checkpoint.fetch(sorted(shards))
            if missing := sorted(name for name in shards if not (folder / name).is_file()):
                raise ModelError(f"{checkpoint.id!r} lacks weights: no file {missing[0]!r}")
            return [index, *sorted(shards)]
    if allow_pickle:
        raise ModelError(f"{checkpoint.id!r} has no weights: no {SAFETENSORS}, no {PICKLE}")
    raise ModelError(
        f"{checkpoint.id!r} has no {SAFETENSORS}; pickled weights ({PICKLE}) can run code and "
        "are refused unless model.allow_pickle=true is set"
    )


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object in a checkpoint's folder; all its JSON that we read is read here.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is no JSON object, or is nested too deeply.
    """
    content = parse_json(read_regular(path))
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    return content


def has_vocabulary(folder: Path) -> bool:
    """Return whether a folder has a tokenizer's vocabulary."""
    return any(file for name in VOCABULARIES for file in folder.glob(name))


def _require_plain_names(shards: Iterable[object], suffix: str, index: str) -> None:
    """Refuse an index that names files of another kind, or outside the checkpoint's folder.

    transformers reads any file that the index names, even a pickle or one in another folder.
    """
    for name in shards:
        if not isinstance(name, str) or not name.endswith(suffix) or name != Path(name).name:
            raise ModelError(
                f"{index!r} names {name!r:.80} as weights; allowed: names of files beside it that "
                f"end in {suffix}"
            )


def _require_layers(folder: Path, id: str) -> None:
    """Refuse a configuration of so many layers that reading it would not end.

    transformers makes a list of them, and a module for each, before it looks at the weights.
    """
    with one_line_errors(f"{id}/{CONFIG}"):
        settings = read_object(folder / CONFIG)
    for name, value in _numbers(settings):
        if "layer" in name and value > MOST_LAYERS:
            raise ModelError(
                f"{id!r} has {name}={value} in its {CONFIG}; allowed: up to {MOST_LAYERS:,}"
            )


def _numbers(settings: Any) -> Iterator[tuple[str, float]]:
    """Yield the names and values of all numbers in a configuration, those of its parts too."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif isinstance(value, int | float):
            yield name, value


def nearest(id: str) -> str:
    """Return "; nearest match: …" with a similar path or entry of conf/model; "" without one."""
    path = Path(id).expanduser()
    beside = [str(path.with_name(other.name)) for other in path.parent.glob("*")]
    package = Path(__file__).parents[1]
    conf = [*package.glob("conf/model/*.yaml"), *package.parent.glob("conf/model/*.yaml")]
    names = {file.stem: f"model={file.stem}" for file in conf}
    close = get_close_matches(id, [*beside, *names], n=1)
    return f"; nearest match: {names.get(close[0], close[0])}" if close else ""
