"""How a checkpoint is loaded: the keyword arguments of `load_model`, their types and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadOptions:
    """How a checkpoint is loaded.

    Attributes:
        revision: commit, tag or branch of a Hugging Face id; None for its main branch.
        dtype: "float32", "bfloat16", "float16", or "tf32" (float32 with TF32 products, on a GPU
            only). TF32 is switched for the whole process, by the last loaded model.
        device: "auto" (a GPU if there is one), or a torch device such as "cpu" or "cuda:1".
        device_map: strategy of accelerate ("auto", "balanced", "balanced_low_0" or "sequential")
            for spreading the layers over all GPUs, then the CPU; None for one device.
        distribution: pip requirement of the installed package that contains the file `id`.
        trust_remote_code: whether to run Python code that comes with the checkpoint.
        allow_pickle: whether to read pickled weights (.bin) if there are no safetensors.
        random_weights: whether to draw random weights; only configuration and tokenizer are read.
        family: paths of modules for an unknown architecture, by field of `families.Family` such as
            "layers", "attn" and "mlp".
        adapter: Hugging Face id or local folder of a PEFT adapter.
        adapter_revision: commit, tag or branch of the adapter's Hugging Face id.
        merge_adapter: whether to merge the adapter's weights into the model's.
        language_token: token that follows the decoder's start token, for encoder-decoder models
            that translate.
    """

    revision: str | None = None
    dtype: str = "float32"
    device: str = "auto"
    device_map: str | None = None
    distribution: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    random_weights: bool = False
    family: Mapping[str, str | None] | None = None
    adapter: str | None = None
    adapter_revision: str | None = None
    merge_adapter: bool = True
    language_token: str | None = None


class LoadKeywords(TypedDict, total=False):
    """Types of the fields of `LoadOptions`, for functions with these keyword arguments."""

    revision: str | None
    dtype: str
    device: str
    device_map: str | None
    distribution: str | None
    trust_remote_code: bool
    allow_pickle: bool
    random_weights: bool
    family: Mapping[str, str | None] | None
    adapter: str | None
    adapter_revision: str | None
    merge_adapter: bool
    language_token: str | None
