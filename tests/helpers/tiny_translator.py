"""A random seq2seq model of kilobytes with language codes, as NLLB has them."""

from pathlib import Path

import torch
from tiny_checkpoint import VOCABULARY, tokenizer
from transformers import M2M100Config, M2M100ForConditionalGeneration

CODES = ["eng_Latn", "tur_Latn", "jpn_Jpan", "swh_Latn"]


def save_translator(folder: Path, seed: int = 0, ends: bool = True) -> Path:
    """Write it; its translations are letters, and end at `max_new_tokens` unless not `ends`."""
    words = tokenizer()
    words.add_tokens(CODES, special_tokens=True)
    words.pad_token = "<unk>"
    words.save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = {
        **{"vocab_size": len(words), "d_model": 16, "encoder_layers": 1, "decoder_layers": 1},
        **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "init_std": 0.5},
        **{"encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 512},
        **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 2},
    }
    model = M2M100ForConditionalGeneration(M2M100Config(**sizes))
    letters = {id for token, id in VOCABULARY.items() if token.isascii() and token.isalpha()}
    codes = {len(VOCABULARY) + n for n in range(len(CODES))}
    settings = model.generation_config
    settings.max_length = None
    settings.forced_eos_token_id = 2 if ends else None
    settings.suppress_tokens = sorted(
        set(range(len(words))) - letters - codes - ({2} if ends else set())
    )
    model.save_pretrained(folder)
    return folder
