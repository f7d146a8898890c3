"""From an id to a model, its tokenizer, its configuration, and its identity in a run's key.

This module reads weights. `checkpoint` finds them, and `engine.load_model` checks that the model
computes what it should.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoTokenizer,
)

from xtransplant.cache import file_digest
from xtransplant.errors import ModelError
from xtransplant.models.adapter import CONFIG as ADAPTER_CONFIG
from xtransplant.models.adapter import TEMPLATE, apply_adapter, own_tokenizer
from xtransplant.models.architecture import auto_class
from xtransplant.models.checkpoint import (
    CONFIG,
    SAFETENSORS,
    SETTINGS,
    Checkpoint,
    HubId,
    has_vocabulary,
    open_checkpoint,
    resolve,
    weight_files,
)
from xtransplant.models.decoder_prompt import language_token_id
from xtransplant.models.dtypes import precision
from xtransplant.models.families import Family, Model, find_parts, layers_prefix
from xtransplant.models.generation import greedy
from xtransplant.models.gguf import Gguf
from xtransplant.models.hf_errors import one_line_errors
from xtransplant.models.hub import pinned
from xtransplant.models.load_options import LoadOptions
from xtransplant.models.parallel import placement
from xtransplant.models.quantised import require_quantiser
from xtransplant.models.sentencepiece_check import require_sentencepiece_ids
from xtransplant.progress import OnStep, silent


def open_model(id: str, options: LoadOptions, on_step: OnStep = silent) -> Model:
    """Load a language model and find its layers, without checking that they are the right ones.

    Arguments, errors and result are as for `engine.load_model.load_model`.
    """
    device = choose_device(options.device)
    dtype = precision(options.dtype, device)
    place = resolve(id, options.revision, options.distribution)
    trust = options.trust_remote_code
    checkpoint = open_checkpoint(place, id, trust_remote_code=trust, on_step=on_step)
    config = _config(checkpoint)
    require_quantiser(config, id, device)
    own = own_tokenizer(options.adapter, options.adapter_revision, on_step)
    tokenizer = _tokenizer(checkpoint, own)
    report: Any = None
    if options.random_weights:
        hf = _random_weights(config, dtype, device, trust_remote_code=trust)
    else:
        where = placement(device, options.device_map, config)
        allow_pickle = options.allow_pickle
        hf, report = _read_weights(checkpoint, config, dtype, where, allow_pickle=allow_pickle)
    if options.adapter is not None:
        hf = apply_adapter(
            hf,
            options.adapter,
            options.adapter_revision,
            allow_pickle=options.allow_pickle,
            merge=options.merge_adapter,
            on_step=on_step,
        )
    hf.eval().requires_grad_(requires_grad=False)
    hf.generation_config = greedy(hf)
    if options.language_token is not None:
        token_id = language_token_id(config, tokenizer, options.language_token, id)
        hf.generation_config.forced_bos_token_id = token_id
    family = Family(**options.family or {})
    model = find_parts(hf, tokenizer, id=id, revision=checkpoint.revision, family=family)
    if report is not None:
        _require_all_weights(report, layers_prefix(hf, model.layers), model.n_layers, id)
    return model


def open_translator(
    id: str, revision: str | None, device: torch.device, *, allow_pickle: bool
) -> tuple[Any, Any]:
    """Load a model that translates and its tokenizer, without finding layers.

    Arguments and errors as for `load_model`.
    """
    place = resolve(id, revision, None)
    checkpoint = open_checkpoint(place, id, trust_remote_code=False, on_step=silent)
    checkpoint.fetch(("*.spm",))  # of Marian, whose vocabulary is in vocab.json
    config = _config(checkpoint)
    tokenizer = _tokenizer(checkpoint, None)
    hf, report = _read_weights(checkpoint, config, "auto", {}, allow_pickle=allow_pickle)
    _require_weights(report, id)
    return hf.eval().to(device), tokenizer


def fetch_model(
    id: str,
    *,
    revision: str | None = None,
    distribution: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    on_step: OnStep = silent,
) -> None:
    """Fetch a checkpoint's settings and weights; arguments and errors are as for `load_model`."""
    place = resolve(id, revision, distribution)
    checkpoint = open_checkpoint(place, id, trust_remote_code=trust_remote_code, on_step=on_step)
    weight_files(checkpoint, allow_pickle=allow_pickle)


def load_tokenizer(
    id: str,
    *,
    revision: str | None = None,
    distribution: str | None = None,
    trust_remote_code: bool = False,
    own: Path | None = None,
    on_step: OnStep = silent,
) -> Any:
    """Load a checkpoint's tokenizer, without weights.

    Arguments and errors are as for `load_model`; `own` is the result of `adapter.own_tokenizer`.
    """
    place = resolve(id, revision, distribution)
    checkpoint = open_checkpoint(place, id, trust_remote_code=trust_remote_code, on_step=on_step)
    return _tokenizer(checkpoint, own)


def load_config(
    id: str,
    *,
    revision: str | None = None,
    distribution: str | None = None,
    trust_remote_code: bool = False,
    on_step: OnStep = silent,
) -> Any:
    """Load a checkpoint's configuration, without weights.

    Arguments and errors are as for `load_model`. A GGUF file is converted when first used.
    """
    place = resolve(id, revision, distribution)
    return _config(open_checkpoint(place, id, trust_remote_code=trust_remote_code, on_step=on_step))


def identity(
    id: str,
    *,
    revision: str | None = None,
    distribution: str | None = None,
    trust_remote_code: bool = False,
    on_step: OnStep = silent,
) -> str:
    """Return a text that identifies a checkpoint in the key of a run, never a path.

    For a hub id, it is "owner/name@commit". Otherwise it is "sha256:" and the digest of the GGUF
    file, or of a folder's configuration, tokenizer and weights. Arguments and errors are as for
    `load_model`.
    """
    match resolve(id, revision, distribution):
        case HubId(repo, revision):
            return pinned(repo, revision, CONFIG, on_step)
        case Gguf() as gguf:
            return f"sha256:{gguf.digest(on_step)}"
        case folder:
            checkpoint = open_checkpoint(
                folder, id, trust_remote_code=trust_remote_code, on_step=on_step
            )
            patterns = (*SETTINGS, "*.py") if trust_remote_code else SETTINGS
            names = {file.name for pattern in patterns for file in folder.glob(pattern)}
            # Files are only hashed here, so pickled weights are harmless.
            names.update(weight_files(checkpoint, allow_pickle=True))
            digest = hashlib.sha256()
            for name in sorted(names):
                digest.update(f"{name} {file_digest(folder / name, on_step)}\n".encode())
            return f"sha256:{digest.hexdigest()}"


def _config(checkpoint: Checkpoint) -> Any:
    with one_line_errors(checkpoint.id):
        config: Any = AutoConfig.from_pretrained(**checkpoint.arguments)
    # Checked before weights are fetched; a checkpoint with its own code is not checked.
    known = (MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
    if type(config) not in known[config.is_encoder_decoder] and not hasattr(config, "auto_map"):
        raise ModelError(
            f"{checkpoint.id!r} has model type {config.model_type!r}, for which transformers has "
            "no language model that generates text; see docs/models.md for types that work"
        )
    return config


def _tokenizer(checkpoint: Checkpoint, own: Path | None) -> Any:
    """Return the checkpoint's tokenizer; a tokenizer or template in folder `own` comes first."""
    if own is not None and has_vocabulary(own):
        with one_line_errors(f"tokenizer of adapter {own}"):
            config = _config(checkpoint)  # names the tokenizer's class if the tokenizer does not
            tokenizer = AutoTokenizer.from_pretrained(str(own), config=config)
        require_sentencepiece_ids(own, tokenizer, str(own))
        return tokenizer
    # Without files, transformers makes an empty tokenizer for some families.
    if not has_vocabulary(checkpoint.folder):
        raise ModelError(f"{checkpoint.id!r} has no tokenizer; it needs a tokenizer.json")
    with one_line_errors(f"tokenizer of {checkpoint.id}"):
        tokenizer = AutoTokenizer.from_pretrained(**checkpoint.arguments)
    require_sentencepiece_ids(checkpoint.folder, tokenizer, checkpoint.id)
    if own is not None:
        with one_line_errors(f"chat template of adapter {own}"):
            tokenizer.chat_template = (own / TEMPLATE).read_text("utf-8")
    return tokenizer


def _random_weights(
    config: Any, dtype: torch.dtype, device: torch.device, *, trust_remote_code: bool
) -> Any:
    with torch.device(device):
        return auto_class(config).from_config(
            config, dtype=dtype, trust_remote_code=trust_remote_code
        )


def _read_weights(
    checkpoint: Checkpoint,
    config: Any,
    dtype: torch.dtype | str,
    where: Mapping[str, Any],
    *,
    allow_pickle: bool,
) -> tuple[Any, Any]:
    """Return the model and transformers' report on weights that did not fit."""
    if (checkpoint.folder / ADAPTER_CONFIG).is_file():
        raise ModelError(
            f"{checkpoint.id!r} has an adapter ({ADAPTER_CONFIG}) beside the model, which "
            "transformers would always apply; move it to its own folder and set "
            "model.adapter=FOLDER"
        )
    weights = weight_files(checkpoint, allow_pickle=allow_pickle)
    with one_line_errors(checkpoint.id):
        loaded: Any = auto_class(config).from_pretrained(
            **checkpoint.arguments,
            config=config,
            adapter_kwargs={"local_files_only": True},
            dtype=dtype,
            **where,
            use_safetensors=weights[0].startswith(SAFETENSORS),
            ignore_mismatched_sizes=True,  # `_require_all_weights` finds them in the report
            output_loading_info=True,
        )
    hf, report = loaded
    return hf, report


def _require_all_weights(report: Any, prefix: str, n_layers: int, id: str) -> None:
    """Refuse missing weights, which transformers draws at random, and weights of extra layers."""
    _require_weights(report, id)
    for key in sorted(report["unexpected_keys"]):
        number = key.removeprefix(prefix).split(".")[0]
        if key.startswith(prefix) and number.isdecimal() and int(number) >= n_layers:
            raise ModelError(f"{id!r} has weights {key!r}, but its config says {n_layers} layers")


def _require_weights(report: Any, id: str) -> None:
    for kind, wrong in (("lacks", "missing_keys"), ("has another shape of", "mismatched_keys")):
        if keys := report[wrong]:
            first = min(key if isinstance(key, str) else key[0] for key in keys)
            raise ModelError(f"{id!r} {kind} {len(keys)} weights that its config asks for: {first}")


def choose_device(name: str) -> torch.device:
    """Return the device with a name; for "auto", a GPU if there is one, else the CPU.

    Raises:
        ModelError: this machine does not have the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        n_gpus = torch.cuda.device_count()
        raise ModelError(
            f"no device {name!r}; allowed: auto, cpu, cuda:0 to cuda:N-1; GPUs here: {n_gpus}"
        ) from error
    return device
