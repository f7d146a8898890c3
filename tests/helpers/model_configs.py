"""Configurations of the checkpoints in conf/model: sizes as their publishers give them.

From them transformers builds the model on torch's meta device, so that layers and parameters in the
YAML files are counted, not copied.
"""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

Settings = tuple[str, dict[str, Any]]


def _sizes(layers: int, width: int, inner: int, heads: int, vocabulary: int) -> dict[str, Any]:
    return {
        **{"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": inner},
        **{"num_attention_heads": heads, "vocab_size": vocabulary},
    }


def _grouped(kind: str, sizes: tuple[int, ...], kv: int, tied: bool, **more: Any) -> Settings:
    """Decoders of the Llama layout with `kv` key/value heads."""
    both = {"num_key_value_heads": kv, "tie_word_embeddings": tied}
    return kind, {**_sizes(*sizes), **both, **more}


def _gemma(kind: str, sizes: tuple[int, ...], kv: int, head: int = 256) -> Settings:
    return _grouped(kind, sizes, kv, True, head_dim=head)


def _gemma3(sizes: tuple[int, ...], kv: int, head: int = 256) -> Settings:
    """Gemma 3 with its vision tower, the same in all sizes."""
    _, text = _gemma("gemma3_text", (*sizes, 262208), kv, head)
    vision = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27}
    vision |= {"num_attention_heads": 16, "patch_size": 14, "image_size": 896}
    vision["vision_use_head"] = False
    return "gemma3", {"text_config": text, "vision_config": vision, "tie_word_embeddings": True}


def _bloom(layers: int, width: int, heads: int) -> Settings:
    return "bloom", {"n_layer": layers, "hidden_size": width, "n_head": heads, "vocab_size": 250880}


def _pythia(layers: int, width: int, heads: int, vocabulary: int = 50304) -> Settings:
    sizes = _sizes(layers, width, 4 * width, heads, vocabulary)
    return "gpt_neox", {**sizes, "tie_word_embeddings": False}


def _xglm(layers: int, width: int, inner: int, heads: int) -> Settings:
    sizes = {"num_layers": layers, "d_model": width, "ffn_dim": inner}
    return "xglm", {**sizes, "attention_heads": heads, "vocab_size": 256008}


def _t5(kind: str, layers: int, width: int, inner: int, heads: int, vocabulary: int) -> Settings:
    return kind, {
        **{"num_layers": layers, "num_decoder_layers": layers, "d_model": width, "d_ff": inner},
        **{"num_heads": heads, "d_kv": 64, "vocab_size": vocabulary},
        **{"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    }


def _bart(kind: str, layers: int, width: int, inner: int, vocabulary: int) -> Settings:
    both = {
        f"{part}_{name}": size
        for part in ("encoder", "decoder")
        for name, size in (("layers", layers), ("ffn_dim", inner), ("attention_heads", 16))
    }
    return kind, {"d_model": width, "vocab_size": vocabulary, "tie_word_embeddings": True, **both}


def _opt(layers: int, width: int, heads: int) -> Settings:
    sizes = {"num_hidden_layers": layers, "hidden_size": width, "ffn_dim": 4 * width}
    sizes |= {"num_attention_heads": heads, "vocab_size": 50272}
    return "opt", {**sizes, "word_embed_proj_dim": width}


_STABLELM = {"use_qkv_bias": True, "partial_rotary_factor": 0.25}
_MIXTRAL = {"num_local_experts": 8, "num_experts_per_tok": 2}
_OLMOE = {"num_experts": 64, "num_experts_per_tok": 8}
_QWEN_MOE = {"head_dim": 128, "num_experts": 128, "moe_intermediate_size": 768}
_GPT_OSS = {"head_dim": 64, "num_experts_per_tok": 4}
_PHI_TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

CONFIGS: dict[str, Settings] = {
    "llama2-7b": _grouped("llama", (32, 4096, 11008, 32, 32000), 32, False),
    "llama2-13b": _grouped("llama", (40, 5120, 13824, 40, 32000), 40, False),
    "llama2-70b": _grouped("llama", (80, 8192, 28672, 64, 32000), 8, False),
    "llama3-8b": _grouped("llama", (32, 4096, 14336, 32, 128256), 8, False),
    "llama3.1-8b": _grouped("llama", (32, 4096, 14336, 32, 128256), 8, False),
    "llama3.1-70b": _grouped("llama", (80, 8192, 28672, 64, 128256), 8, False),
    "llama3.2-1b": _grouped("llama", (16, 2048, 8192, 32, 128256), 8, True, head_dim=64),
    "llama3.2-3b": _grouped("llama", (28, 3072, 8192, 24, 128256), 8, True, head_dim=128),
    "llama3.3-70b": _grouped("llama", (80, 8192, 28672, 64, 128256), 8, False),
    "chinese-alpaca-2-7b": _grouped("llama", (32, 4096, 11008, 32, 55296), 32, False),
    "smollm2-135m": _grouped("llama", (30, 576, 1536, 9, 49152), 3, True),
    "smollm2-360m": _grouped("llama", (32, 960, 2560, 15, 49152), 5, True),
    "smollm2-1.7b": _grouped("llama", (24, 2048, 8192, 32, 49152), 32, True),
    "mistral-7b": _grouped("mistral", (32, 4096, 14336, 32, 32768), 8, False),
    "mistral-nemo-12b": _grouped("mistral", (40, 5120, 14336, 32, 131072), 8, False, head_dim=128),
    "mixtral-8x7b": _grouped("mixtral", (32, 4096, 14336, 32, 32000), 8, False, **_MIXTRAL),
    "qwen2-7b": _grouped("qwen2", (28, 3584, 18944, 28, 152064), 4, False),
    "qwen2.5-0.5b": _grouped("qwen2", (24, 896, 4864, 14, 151936), 2, True),
    "qwen2.5-1.5b": _grouped("qwen2", (28, 1536, 8960, 12, 151936), 2, True),
    "qwen2.5-3b": _grouped("qwen2", (36, 2048, 11008, 16, 151936), 2, True),
    "qwen2.5-7b": _grouped("qwen2", (28, 3584, 18944, 28, 152064), 4, False),
    "qwen2.5-14b": _grouped("qwen2", (48, 5120, 13824, 40, 152064), 8, False),
    "qwen2.5-32b": _grouped("qwen2", (64, 5120, 27648, 40, 152064), 8, False),
    "qwen2.5-72b": _grouped("qwen2", (80, 8192, 29568, 64, 152064), 8, False),
    "qwen3-0.6b": _grouped("qwen3", (28, 1024, 3072, 16, 151936), 8, True, head_dim=128),
    "qwen3-1.7b": _grouped("qwen3", (28, 2048, 6144, 16, 151936), 8, True, head_dim=128),
    "qwen3-4b": _grouped("qwen3", (36, 2560, 9728, 32, 151936), 8, True, head_dim=128),
    "qwen3-8b": _grouped("qwen3", (36, 4096, 12288, 32, 151936), 8, False, head_dim=128),
    "qwen3-14b": _grouped("qwen3", (40, 5120, 17408, 40, 151936), 8, False, head_dim=128),
    "qwen3-32b": _grouped("qwen3", (64, 5120, 25600, 64, 151936), 8, False, head_dim=128),
    "qwen3-30b-a3b": _grouped("qwen3_moe", (48, 2048, 6144, 32, 151936), 4, False, **_QWEN_MOE),
    "gemma2-2b": _gemma("gemma2", (26, 2304, 9216, 8, 256000), 4),
    "gemma2-9b": _gemma("gemma2", (42, 3584, 14336, 16, 256000), 8),
    "gemma2-27b": _gemma("gemma2", (46, 4608, 36864, 32, 256000), 16, head=128),
    "gemma3-270m": _gemma("gemma3_text", (18, 640, 2048, 4, 262144), 1),
    "gemma3-1b": _gemma("gemma3_text", (26, 1152, 6912, 4, 262144), 1),
    "gemma3-4b": _gemma3((34, 2560, 10240, 8), 4),
    "gemma3-12b": _gemma3((48, 3840, 15360, 16), 8),
    "gemma3-27b": _gemma3((62, 5376, 21504, 32), 16, head=128),
    "aya-expanse-8b": _grouped("cohere", (32, 4096, 14336, 32, 256000), 8, True),
    "aya-expanse-32b": _grouped("cohere", (40, 8192, 24576, 64, 256000), 8, True),
    "bloomz-560m": _bloom(24, 1024, 16),
    "bloomz-1b1": _bloom(24, 1536, 16),
    "bloomz-1b7": _bloom(24, 2048, 16),
    "bloomz-3b": _bloom(30, 2560, 32),
    "bloomz-7b1": _bloom(30, 4096, 32),
    "falcon-7b": (
        "falcon",
        {
            **{"num_hidden_layers": 32, "hidden_size": 4544, "num_attention_heads": 71},
            **{"vocab_size": 65024, "multi_query": True, "parallel_attn": True, "bias": False},
        },
    ),
    "falcon3-7b": _grouped("llama", (28, 3072, 23040, 12, 131072), 4, False, head_dim=256),
    "pythia-70m": _pythia(6, 512, 8),
    "pythia-160m": _pythia(12, 768, 12),
    "pythia-410m": _pythia(24, 1024, 16),
    "pythia-1.4b": _pythia(24, 2048, 16),
    "pythia-2.8b": _pythia(32, 2560, 32),
    "pythia-6.9b": _pythia(32, 4096, 32, 50432),
    "pythia-12b": _pythia(36, 5120, 40, 50688),
    "xglm-564m": _xglm(24, 1024, 4096, 16),
    "xglm-1.7b": _xglm(24, 2048, 8192, 16),
    "xglm-2.9b": _xglm(48, 2048, 8192, 16),
    "xglm-4.5b": _xglm(48, 2048, 16384, 16),
    "xglm-7.5b": _xglm(32, 4096, 16384, 32),
    "olmo2-1b": _grouped("olmo2", (16, 2048, 8192, 16, 100352), 16, False),
    "olmo2-7b": _grouped("olmo2", (32, 4096, 11008, 32, 100352), 32, False),
    "olmo2-13b": _grouped("olmo2", (40, 5120, 13824, 40, 100352), 40, False),
    "olmo2-32b": _grouped("olmo2", (64, 5120, 27648, 40, 100352), 8, False),
    "olmoe-7b": _grouped("olmoe", (16, 2048, 1024, 16, 50304), 16, False, **_OLMOE),
    "phi3-mini": _grouped("phi3", (32, 3072, 8192, 32, 32064), 32, False, **_PHI_TOKENS),
    "phi4": _grouped("phi3", (40, 5120, 17920, 40, 100352), 10, False, **_PHI_TOKENS),
    "phi4-mini": _grouped("phi3", (32, 3072, 8192, 24, 200064), 8, True, **_PHI_TOKENS),
    "olmo3-7b": _grouped("olmo3", (32, 4096, 11008, 32, 100278), 32, False),
    "opt-125m": _opt(12, 768, 12),
    "opt-1.3b": _opt(24, 2048, 32),
    "opt-6.7b": _opt(32, 4096, 32),
    "stablelm-3b": _grouped("stablelm", (32, 2560, 6912, 32, 50304), 32, False),
    "granite3.1-2b": _grouped("granite", (40, 2048, 8192, 32, 49155), 8, True),
    "granite3.1-8b": _grouped("granite", (40, 4096, 12800, 32, 49155), 8, True),
    "gpt-oss-20b": _grouped(
        "gpt_oss", (24, 2880, 2880, 64, 201088), 8, False, num_local_experts=32, **_GPT_OSS
    ),
    "gpt-oss-120b": _grouped(
        "gpt_oss", (36, 2880, 2880, 64, 201088), 8, False, num_local_experts=128, **_GPT_OSS
    ),
    "gpt2": ("gpt2", {}),
    "stablelm2-1.6b": _grouped("stablelm", (24, 2048, 5632, 32, 100352), 32, False, **_STABLELM),
    "granite3.3-2b": _grouped("granite", (40, 2048, 8192, 32, 49159), 8, True),
    "granite3.3-8b": _grouped("granite", (40, 4096, 12800, 32, 49159), 8, True),
    "mt0-small": _t5("mt5", 8, 512, 1024, 6, 250112),
    "mt0-base": _t5("mt5", 12, 768, 2048, 12, 250112),
    "mt0-large": _t5("mt5", 24, 1024, 2816, 16, 250112),
    "mt0-xl": _t5("mt5", 24, 2048, 5120, 32, 250112),
    "mt0-xxl": _t5("mt5", 24, 4096, 10240, 64, 250112),
    "aya-101": _t5("mt5", 24, 4096, 10240, 64, 250112),
    "flan-t5-base": _t5("t5", 12, 768, 2048, 12, 32128),
    "flan-t5-xl": _t5("t5", 24, 2048, 5120, 32, 32128),
    "umt5-small": _t5("umt5", 8, 512, 1024, 6, 256384),
    "umt5-base": _t5("umt5", 12, 768, 2048, 12, 256384),
    "umt5-xl": _t5("umt5", 24, 2048, 5120, 32, 256384),
    "bart-large": _bart("bart", 12, 1024, 4096, 50265),
    "nllb-600m": _bart("m2m_100", 12, 1024, 4096, 256206),
    "nllb-1.3b": _bart("m2m_100", 24, 1024, 8192, 256206),
    "nllb-3.3b": _bart("m2m_100", 24, 2048, 8192, 256206),
    "m2m100-418m": _bart("m2m_100", 12, 1024, 4096, 128112),
    "mbart50": _bart("mbart", 12, 1024, 4096, 250054),
}


def config_of(name: str) -> Any:
    kind, settings = CONFIGS[name]
    return AutoConfig.for_model(kind, **settings)


def n_parameters(config: Any) -> int:
    """Count on the meta device, tied weights once."""
    auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    with torch.device("meta"):
        count = sum(weight.numel() for weight in auto.from_config(config).parameters())
    if config.model_type in ("t5", "mt5", "umt5"):
        # transformers ties their embeddings in every configuration, and keeps them apart where a
        # checkpoint, as all of these, has an unembedding of its own.
        count += config.vocab_size * config.d_model
    return count
