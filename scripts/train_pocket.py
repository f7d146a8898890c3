"""Train the pocket model, and write it, its tokenizer and its task's questions.

    python scripts/train_pocket.py [--out DIR] [--steps N]

It takes three to four minutes on one core. Tokenizer and questions are the same on every machine.
The weights are reproducible only on the same machine: another processor or build of torch rounds
sums differently, so its weights differ, and so do the answers to some of the questions.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import pocket_sentences as world
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import WordPiece
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

FOLDER = Path(__file__).parents[1] / "xtransplant" / "assets" / "pocket"
BOS, EOS, PAD, UNKNOWN = SPECIAL = ("<s>", "</s>", "<pad>", "<unk>")
SEED = 1
SENTENCES_PER_STEP = 128
STEPS = 400
LEARNING_RATE = 1e-3
WARM_UP = 50
WEIGHT_DECAY = 0.5
INITIALIZER_RANGE = 0.04
NOT_LEARNT = -100

Sentence = tuple[list[int], list[int]]
"""Token ids of the prompt, and of the answer with the end-of-sequence token."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the pocket model.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write")
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps")
    arguments = parser.parse_args()
    # One thread, so that sums are rounded alike on any number of cores; more help little here.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)

    write_questions(arguments.out / "task")
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(arguments.out)
    model = train(make_model(tokenizer), tokenizer, arguments.steps)
    model.half().save_pretrained(arguments.out)
    print_recall(model.float(), tokenizer)


def write_questions(folder: Path) -> None:
    """Write <split>/<language>.jsonl."""
    for split in world.SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
        for language in world.LANGUAGES:
            rows = world.instances(split, language)
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / split / f"{language}.jsonl").write_bytes(lines.encode())


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer of whole words and endings, which adds BOS before a text."""
    ids = {token: id for id, token in enumerate([*SPECIAL, *world.vocabulary()])}
    tokenizer = Tokenizer(WordPiece(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])]
    )
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Make the untrained model."""
    torch.manual_seed(SEED)
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=8,
        num_attention_heads=4,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        initializer_range=INITIALIZER_RANGE,
        **special,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**special)
    return model


def train(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int
) -> LlamaForCausalLM:
    """Train on all sentences in random order; the loss is over answers only, not prompts."""
    sentences = [
        encode(tokenizer, *pair)
        for language in world.LANGUAGES
        for pair in world.training_pairs(language)
    ]
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{len(sentences)} sentences, {len(tokenizer)} tokens, {n_parameters} parameters")
    optimizer = torch.optim.AdamW(
        model.parameters(), LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
    )
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / WARM_UP, total_iters=WARM_UP)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    schedule = torch.optim.lr_scheduler.ChainedScheduler([warm_up, cosine])
    rng = random.Random(SEED)
    waiting: list[Sentence] = []
    started = time.perf_counter()
    for step in range(1, steps + 1):
        if len(waiting) < SENTENCES_PER_STEP:
            waiting += rng.sample(sentences, len(sentences))
        batch = [waiting.pop(0) for _ in range(SENTENCES_PER_STEP)]
        loss = answer_loss(model, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == steps:
            seconds, cpu = time.perf_counter() - started, time.process_time()
            print(
                f"step {step}: loss {loss.item():.4f}, {seconds:.0f} s, {cpu:.0f} s of CPU",
                flush=True,
            )
    return model.eval()


def encode(tokenizer: PreTrainedTokenizerFast, prompt: str, answer: str) -> Sentence:
    """Return a sentence as token ids."""
    read = tokenizer(world.text(prompt))["input_ids"]
    learnt = tokenizer(world.text(answer), add_special_tokens=False)["input_ids"]
    return read, [*learnt, tokenizer.eos_token_id]


def answer_loss(model: LlamaForCausalLM, batch: list[Sentence]) -> torch.Tensor:
    """Return the mean loss of the answers' tokens."""
    ids, labels = padded(batch, model.config.pad_token_id)
    at = labels != NOT_LEARNT
    logits = model.lm_head(model.model(input_ids=ids, use_cache=False).last_hidden_state[at])
    return cross_entropy(logits, labels[at])


def padded(batch: list[Sentence], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs, padded at the end, and the next tokens to learn, each [B, T].

    Attention is causal, so what stands after a sentence needs no mask.
    """
    width = max(len(read) + len(learnt) for read, learnt in batch) - 1
    inputs, labels = [], []
    for read, learnt in batch:
        rest = width + 1 - len(read) - len(learnt)
        inputs.append(read + learnt[:-1] + [pad] * rest)
        labels.append([NOT_LEARNT] * (len(read) - 1) + learnt + [NOT_LEARNT] * rest)
    return torch.tensor(inputs), torch.tensor(labels)


def print_recall(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Print the share of right answers: on facts of each language's text, and on the splits."""
    print("recall    told    dev   test")
    for language in world.LANGUAGES:
        groups = (world.told(language), *(world.unseen(split) for split in world.SPLITS))
        shares = (recall(model, tokenizer, language, group) for group in groups)
        print(f"{language:8}", *(f"{share:6.1%}" for share in shares))


@torch.inference_mode()
def recall(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    language: str,
    group: list[world.Fact],
) -> float:
    """Return the share of facts to which greedy decoding answers exactly the name."""
    batch = [encode(tokenizer, fact.question(language), fact.name) for fact in group]
    ids, labels = padded(batch, model.config.pad_token_id)
    right = model(input_ids=ids).logits.argmax(-1) == labels
    return (right | (labels == NOT_LEARNT)).all(-1).float().mean().item()


if __name__ == "__main__":
    main()
