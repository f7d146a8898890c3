"""Tiny random models, one for each family: one line adds a family to every exactness test."""

from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

from xtransplant.models import architecture as seq2seq
from xtransplant.models.families import Model, find_parts
from xtransplant.types import ModuleType

MODULES = [module for module in ModuleType if module not in seq2seq.MODULES]
VOCABULARY = 101
N_LAYERS = 4
SOURCE = [3 + (7 * k) % 97 for k in range(14)]
TARGET = [5 + (11 * k) % 89 for k in range(11)]
"""Both are longer than the windows below, and the source is the longer one."""

WINDOW = {"sliding_window": 5}
MIXED = WINDOW | {"layer_types": ["sliding_attention", "full_attention"] * 2}
WIDTHS = {"hidden_size": 32, "intermediate_size": 64, "head_dim": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0}
LLAMA3 |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 16}
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}
LONGROPE |= {"short_factor": [1.0, 1.2], "long_factor": [1.0, 9.0]}
LONGROPE |= {"original_max_position_embeddings": 64}
HYBRID = {"layer_types": ["linear_attention", "full_attention"] * 2}
LINEAR = {
    **{"linear_key_head_dim": 8, "linear_value_head_dim": 8},
    **{"linear_num_key_heads": 2, "linear_num_value_heads": 4},
}
JAMBA = {"attn_layer_period": 2, "attn_layer_offset": 0, "num_experts": 2}
FALCON = {"head_dim": None}  # it is computed
FALCON_RW = {"alibi": True, "parallel_attn": False, "multi_query": False, "bias": True}
MAMBA = {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8}
MAMBA |= {"mamba_chunk_size": 4}
GRANITE4 = {
    **{"layer_types": ["mamba", "attention"] * 2, "num_local_experts": 0},
    **{"shared_intermediate_size": 64, "mamba_n_heads": 8, "mamba_d_head": 8},
    **{"mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 4},
}
VISION = dict.fromkeys(("hidden_size", "intermediate_size"), 16) | {
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}

CONFIGS: dict[str, tuple[str, dict[str, Any], float]] = {
    "llama": ("llama", {}, 1.0),
    "llama 2": ("llama", {"num_key_value_heads": 4}, 1.0),
    "llama 3.2": ("llama", {"rope_parameters": LLAMA3, "tie_word_embeddings": True}, 0.2),
    "mistral": ("mistral", WINDOW, 1.0),
    "qwen2": ("qwen2", {}, 1.0),
    "qwen2 with windows": ("qwen2", {"use_sliding_window": True} | MIXED, 1.0),
    "qwen3": ("qwen3", {}, 1.0),
    # Gemma adds each module's output behind a norm of its own, to embeddings that it scales up:
    # with small random weights no transplant would change a token. Smaller embeddings let it.
    "gemma2": ("gemma2", WINDOW | {"query_pre_attn_scalar": 8}, 0.02),
    "gemma3": ("gemma3_text", MIXED | {"query_pre_attn_scalar": 8}, 0.02),
    "gemma3, multimodal": ("gemma3", MIXED | {"query_pre_attn_scalar": 8}, 0.02),
    "phi3": ("phi3", WINDOW, 1.0),
    "phi4 mini": ("phi3", {"rope_parameters": LONGROPE, "tie_word_embeddings": True}, 0.2),
    "olmo": ("olmo", {}, 1.0),
    "olmo2": ("olmo2", {}, 1.0),
    "olmo3": ("olmo3", MIXED, 1.0),
    "cohere": ("cohere", {"use_qk_norm": True}, 1.0),
    "cohere2": ("cohere2", MIXED, 1.0),
    "gpt_neox": ("gpt_neox", {}, 1.0),
    "gpt2": ("gpt2", {}, 1.0),
    "opt": ("opt", {"ffn_dim": 64}, 1.0),
    "opt 350m": (
        "opt",
        {"ffn_dim": 64, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
        1.0,
    ),
    "stablelm": ("stablelm", {"use_qkv_bias": True}, 1.0),
    "stablelm 12b": ("stablelm", {"use_parallel_residual": True, "qk_layernorm": True}, 0.3),
    "granite": ("granite", {"attention_multiplier": 0.3, "residual_multiplier": 0.7}, 1.0),
    "exaone4": ("exaone4", MIXED, 1.0),
    "mixtral": ("mixtral", WINDOW | {"num_local_experts": 4}, 1.0),
    "qwen2_moe": ("qwen2_moe", MIXED | {"use_sliding_window": True} | EXPERTS, 0.3),
    "qwen3_moe": ("qwen3_moe", EXPERTS, 1.0),
    "olmoe": ("olmoe", EXPERTS, 1.0),
    "gpt_oss": ("gpt_oss", MIXED | {"num_local_experts": 4, "num_experts_per_tok": 2}, 1.0),
    "bloom": ("bloom", {}, 1.0),
    "falcon": ("falcon", FALCON | {"bias": True}, 1.0),
    "falcon 40b": ("falcon", FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2}, 1.0),
    "falcon with alibi": ("falcon", FALCON | FALCON_RW, 1.0),
    "xglm": ("xglm", {"ffn_dim": 64}, 1.0),
    "qwen3_next": (
        "qwen3_next",
        HYBRID | EXPERTS | LINEAR | {"shared_expert_intermediate_size": 16},
        0.1,
    ),
    "granite 4": ("granitemoehybrid", GRANITE4 | {"embedding_multiplier": 0.3}, 1.0),
    "jamba": ("jamba", JAMBA | {"initializer_range": 0.35}, 1.0),
    "falcon_h1": ("falcon_h1", MAMBA, 0.3),
    # Found without a row of their own.
    "apertus": ("apertus", {}, 0.2),
    "ernie4_5": ("ernie4_5", {}, 1.0),
    "gemma": ("gemma", {}, 0.02),
    "glm4": ("glm4", {}, 1.0),
    "gptj": ("gptj", {"rotary_dim": 4}, 1.0),
    "ministral": ("ministral", MIXED, 1.0),
    "nemotron": ("nemotron", {}, 1.0),
    "phi": ("phi", {}, 1.0),
    "qwen3_5": ("qwen3_5_text", HYBRID | LINEAR, 0.02),
    "smollm3": ("smollm3", {}, 1.0),
    "starcoder2": ("starcoder2", WINDOW, 1.0),
}
"""Model type, what its configuration has of its own (None: lacks), a factor on the embeddings."""


@cache
def tiny_model(family: str, eos_token_id: int | None = None) -> Model:
    model_type, extra, embedding_scale = CONFIGS[family]
    arguments: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "num_hidden_layers": N_LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.5,
        "init_std": 0.5,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    arguments = {
        name: value for name, value in (arguments | WIDTHS | extra).items() if value is not None
    }
    if model_type == "gemma3":
        arguments = {"text_config": arguments, "vision_config": VISION}
    config = AutoConfig.for_model(model_type, **arguments)
    torch.manual_seed(1)
    hf = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    hf.get_input_embeddings().weight.data *= embedding_scale
    with torch.no_grad():
        for parameter in hf.parameters():
            if parameter.dim() == 1:  # biases, norms and sinks, which begin as zeros and ones
                parameter += 0.2 * torch.randn_like(parameter)
    hf.generation_config = GenerationConfig(eos_token_id=eos_token_id, pad_token_id=0)
    hf.config.eos_token_id = eos_token_id
    return find_parts(hf, tokenizer(), id=f"tiny {family}")


def having(model: Model, module: ModuleType) -> list[int]:
    """Return the layers that have the module: all, but in hybrids."""
    return [layer for layer, part in enumerate(model.modules(module)) if part]


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{k}": k for k in range(VOCABULARY)}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")))
