"""A PEFT adapter on top of a checkpoint: how it is found, identified and merged.

After merging, the model is an ordinary one: its layers and modules are unchanged, and each matrix
product is computed once. In a quantised checkpoint, merged weights would be rounded to the
quantisation grid, so there the adapter stays beside the weights.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from xtransplant.cache import file_digest
from xtransplant.errors import ModelError
from xtransplant.models.checkpoint import CONFIG as MODEL_CONFIG
from xtransplant.models.checkpoint import SETTINGS, has_vocabulary, nearest, read_object
from xtransplant.models.hf_errors import one_line_errors
from xtransplant.models.hub import Snapshot, pinned
from xtransplant.models.parallel import n_processes
from xtransplant.progress import OnStep, silent

CONFIG = "adapter_config.json"
SAFETENSORS = "adapter_model.safetensors"
PICKLE = "adapter_model.bin"
TEMPLATE = "chat_template.jinja"
TOKENIZER = tuple(name for name in SETTINGS if name not in (MODEL_CONFIG, "generation_config.json"))
"""Files of a tokenizer, which an adapter's folder may contain."""
_N_TOKENS = 4


def apply_adapter(
    hf: Any,
    id: str,
    revision: str | None = None,
    *,
    allow_pickle: bool = False,
    merge: bool = True,
    on_step: OnStep = silent,
) -> Any:
    """Return the model with an adapter's weights added to its own.

    Args:
        hf: Hugging Face model, which is changed.
        id: Hugging Face id or local folder of the adapter.
        revision: commit, tag or branch of a Hugging Face id.
        allow_pickle: whether to read pickled weights (.bin) if there are no safetensors.
        merge: whether to merge the weights; otherwise peft computes the adapter beside them.
        on_step: progress callback while files are fetched.

    Raises:
        ModelError: `peft` is not installed; or the adapter cannot be found or read, is for another
            architecture, or adds tokens to the prompt instead of changing weights.
    """
    if n_processes() > 1:
        raise ModelError(
            f"adapter {id!r} cannot be merged into weights that {n_processes()} processes share; "
            "merge it once (peft's merge_and_unload, save_pretrained) and load the result"
        )
    if find_spec("peft") is None:
        raise ModelError(f"adapter {id!r} needs the package peft: pip install 'xtransplant[peft]'")
    folder = _weights(
        _folder(id, revision, on_step), id, allow_pickle=allow_pickle, on_step=on_step
    )
    from peft import PeftModel, load_peft_weights, set_peft_model_state_dict
    from peft.tuners.tuners_utils import BaseTuner

    remedy = _made_for(folder, id)
    with one_line_errors(f"adapter {id}", remedy):
        # peft reports unexpected weights (of additional layers, say) only in this call's result.
        weights = load_peft_weights(str(folder), device="cpu")
        _make_room(hf, weights)
    with one_line_errors(f"adapter {id}", remedy), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about deprecated names, among others
        # Otherwise peft only warns, and draws the missing weights at random.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        adapted: Any = PeftModel.from_pretrained(hf, str(folder))
        result: Any = set_peft_model_state_dict(adapted, weights)
    if not isinstance(adapted.base_model, BaseTuner):
        kind = adapted.peft_config["default"].peft_type.value
        raise ModelError(
            f"adapter {id!r} ({kind}) adds tokens to the prompt instead of changing weights; "
            "allowed: adapters of the kinds LORA, IA3, LOHA, LOKR, OFT and the like"
        )
    if unexpected := result.unexpected_keys:
        raise ModelError(
            f"adapter {id!r} has {len(unexpected)} weights without a place in the model, such as "
            f"{min(unexpected)}; {remedy}"
        )
    if not merge or getattr(hf, "is_quantized", False):
        return adapted.get_base_model()
    adapted.eval()
    beside = _first_logits(adapted)
    with one_line_errors(f"adapter {id}"):
        _untie(hf)
        merged = adapted.merge_and_unload(safe_merge=True)
    _require_same(_first_logits(merged), beside, id, hf.dtype)
    return merged


def _make_room(hf: Any, weights: Mapping[str, torch.Tensor]) -> None:
    """Resize the embeddings to those of the adapter, which may include added tokens."""
    for part in (hf.get_input_embeddings(), hf.get_output_embeddings()):
        name = next((name for name, other in hf.named_modules() if other is part), None)
        own = weights.get(f"base_model.model.{name}.weight")
        if own is not None and own.dim() == 2 and len(own) != len(part.weight):
            hf.resize_token_embeddings(len(own), mean_resizing=False)


def _untie(hf: Any) -> None:
    """Copy shared weights for each module that an adapter changes.

    An unmerged adapter changes a single module, such as the unembedding. Merged into shared
    weights, it would also change the other modules, such as the embedding.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    users = Counter(id(weight) for part in hf.modules() for weight in part._parameters.values())
    for part in list(hf.modules()):
        base: Any = part.get_base_layer() if isinstance(part, BaseTunerLayer) else None
        weight = getattr(base, "weight", None)
        if weight is None or users[id(weight)] < 2:
            continue
        users[id(weight)] -= 1
        base.weight = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
        for config in (hf.config, hf.config.get_text_config()):
            config.tie_word_embeddings = False


@torch.inference_mode()
def _first_logits(hf: Any) -> torch.Tensor:
    """Return the logits after a few tokens, in float32 on the CPU."""
    config = hf.config.get_text_config()
    device = hf.get_input_embeddings().weight.device
    ids = (10 + 7 * torch.arange(_N_TOKENS, device=device))[None] % config.vocab_size
    sides = ("input_ids", "decoder_input_ids") if config.is_encoder_decoder else ("input_ids",)
    logits: torch.Tensor = hf(**dict.fromkeys(sides, ids), use_cache=False).logits
    return logits.float().cpu()


def _require_same(merged: torch.Tensor, beside: torch.Tensor, id: str, dtype: torch.dtype) -> None:
    """Check that the merged weights compute the same as the adapter beside the weights."""
    # Merging rounds each weight once more, which is visible in half precision.
    allowed = (1e-3 if dtype == torch.float32 else 0.1) * max(1.0, float(beside.abs().max()))
    difference = float((merged - beside).abs().max())
    if not difference <= allowed:  # "not", because comparisons with NaN are false
        raise ModelError(
            f"adapter {id!r}: merging it changes the logits by {difference:.2g}, for instance "
            "because it changes weights that modules share; merge it once with the library it was "
            "trained with, and load the result"
        )


def adapter_identity(id: str, revision: str | None = None, on_step: OnStep = silent) -> str:
    """Return a text that identifies an adapter in the key of a run, never a path.

    For a hub id, it is "owner/name@commit". For a folder, it is "sha256:" and the digest of
    configuration, weights and the adapter's own tokenizer, if any. Errors are as for
    `apply_adapter`.
    """
    if not is_path(id):
        return pinned(id, revision, CONFIG, on_step)
    folder = _folder(id, revision, on_step)
    digest = hashlib.sha256()
    names = [CONFIG, SAFETENSORS, PICKLE]
    if _has_tokenizer(folder):
        names += sorted({file.name for name in TOKENIZER for file in folder.glob(name)})
    for name in names:
        if (folder / name).is_file():
            digest.update(f"{name} {file_digest(folder / name, on_step)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def own_tokenizer(
    id: str | None, revision: str | None = None, on_step: OnStep = silent
) -> Path | None:
    """Return an adapter's folder if it holds a tokenizer or a chat template, else None.

    The adapter was trained with these. Errors are as for `apply_adapter`.
    """
    folder = None if id is None else _folder(id, revision, on_step)
    return folder if folder and _has_tokenizer(folder) else None


def _has_tokenizer(folder: Path) -> bool:
    return has_vocabulary(folder) or (folder / TEMPLATE).is_file()


def is_path(id: str) -> bool:
    """Return whether an adapter's id is a local path, not a hub id."""
    path = Path(id).expanduser()
    return path.exists() or path.is_absolute() or id.startswith((".", "~"))


def _folder(id: str, revision: str | None, on_step: OnStep) -> Path:
    """Return the folder with the adapter's configuration, fetched from the hub if needed."""
    if is_path(id):
        if revision is not None:
            raise ModelError(f"adapter revision {revision!r} is for hub ids, but {id!r} is a path")
        folder = Path(id).expanduser()
    else:
        folder = Snapshot(id, revision, on_step).fetch((CONFIG, *TOKENIZER))
    if not folder.exists():
        raise ModelError(f"no file or folder {id!r}{nearest(id)}")
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{id!r} is not an adapter: it has no {CONFIG}")
    with one_line_errors(f"{id}/{CONFIG}"):
        read_object(folder / CONFIG)
    return folder


def _made_for(folder: Path, id: str) -> str:
    with one_line_errors(f"{id}/{CONFIG}"):
        base = read_object(folder / CONFIG).get("base_model_name_or_path")
    return f"it was made for {base!r}" if base else "it does not name the model it was made for"


def _weights(folder: Path, id: str, *, allow_pickle: bool, on_step: OnStep) -> Path:
    names = (SAFETENSORS, PICKLE) if allow_pickle else (SAFETENSORS,)
    if not is_path(id):
        # The folder's name is the commit that the configuration came from.
        folder = Snapshot(id, folder.name, on_step).fetch((CONFIG, *names))
    if not any((folder / name).is_file() for name in names):
        raise ModelError(
            f"adapter {id!r} has no {SAFETENSORS}"
            + (
                f" and no {PICKLE}"
                if allow_pickle
                else f"; pickled weights ({PICKLE}) can run code and are refused unless "
                "model.allow_pickle=true is set"
            )
        )
    return folder
