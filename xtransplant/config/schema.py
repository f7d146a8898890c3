"""The schema of the configuration: every key, its type and its default.

Settings with a fixed set of values are plain `str` fields, since OmegaConf reads and shows an Enum
by member name; `validate.check_values` checks them. A value without a handler fails at import. The
classes are not frozen, since Hydra 1.3 cannot compose into a frozen schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

REQUIRED: Any = "???"
"""OmegaConf's mark for a required value without a default."""

DTYPES = ("float32", "bfloat16", "float16", "tf32")
CONTROLS: tuple[str, ...] = ("none", "random_instance", "mean", "noise", "displacement")
CONTROLS += ("same_prompt", "shuffled_language", "samples")
OPERATIONS = ("replace", "add", "mix")
VECTORS = ("activation", "difference")
STEPS = ("first", "every")
NORMS = ("none", "match")
PROMPT_STYLES = ("plain", "chat", "few_shot")
INSTRUCTION_LANGUAGES = ("target", "en")
SAMPLE_UNITS = ("id", "cluster")
LOST_MARKERS = ("refuse", "keep", "drop")
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


def one_of(values: Sequence[str], default: str | None) -> Any:
    """Return a field with a fixed set of values, which `validate.CHOICES` reads from it."""
    return field(default=default, metadata={"choices": values})


@dataclass
class FamilyConfig:
    """Paths of an architecture's modules, for one that is not known; see `docs/models.md`.

    Attributes:
        layers: path from the language model to its list of decoder layers.
        attn: path from a decoder layer to its self-attention.
        mlp: path from a decoder layer to its feed-forward module.
        cross_attn: path from a decoder layer to its attention to the encoder, if any.
        encoder_layers: path from the language model to its list of encoder layers, if any.
    """

    layers: str | None = None
    attn: str | None = None
    mlp: str | None = None
    cross_attn: str | None = None
    encoder_layers: str | None = None


@dataclass
class ModelAbout:
    """What `xtransplant ls models` shows about a checkpoint; it has no other effect.

    Attributes:
        family: model type in transformers.
        layers: number of layers; of decoder layers in an encoder-decoder model.
        parameters: number of parameters, including a vision tower, tied ones counted once.
        licence: name of the licence.
        gated: whether the hub requires an access token.
    """

    family: str | None = None
    layers: int | None = None
    parameters: int | None = None
    licence: str | None = None
    gated: bool = False


@dataclass
class ModelConfig:
    """A checkpoint: `conf/model/<name>.yaml`.

    Attributes:
        name: folder of its results; for the entry `hf`, the last path component of `id`.
        id: Hugging Face id, local folder, GGUF file, or path inside `distribution`.
        revision: commit, tag or branch of a Hugging Face id.
        dtype: float32, bfloat16, float16 or tf32 (float32 with TF32 matrix products on a GPU).
        distribution: pip requirement of the installed package that contains the file `id`.
        trust_remote_code: whether to run Python code that comes with the checkpoint.
        allow_pickle: whether to read pickled weights, which can run code.
        family: module paths of an unknown architecture.
        adapter: Hugging Face id or local folder of a PEFT adapter.
        adapter_revision: commit, tag or branch of the adapter's Hugging Face id.
        language_token: token that starts the answer of a translator's decoder.
        about: family, size and licence.
    """

    name: str = REQUIRED
    id: str = REQUIRED
    revision: str | None = None
    dtype: str = one_of(DTYPES, "float32")
    distribution: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    family: FamilyConfig = field(default_factory=FamilyConfig)
    adapter: str | None = None
    adapter_revision: str | None = None
    language_token: str | None = None
    about: ModelAbout = field(default_factory=ModelAbout)


@dataclass
class TaskConfig:
    """A task: `conf/task/<name>.yaml`.

    Attributes:
        name: name, used for the folder of its results.
        loader: key of `xtransplant.tasks.loaders.LOADERS`.
        id: Hugging Face id of its data, or a local folder in the hub's layout.
        revision: commit, tag or branch of a Hugging Face id.
        config: configuration of the data for a language; may contain `{language}`, `{flores}`.
        data_split: split of the data from which instances are drawn.
        pivot_id: Hugging Face id or folder of the pivot's texts, if they are not in `id`.
        pivot_revision: commit, tag or branch of `pivot_id`.
        pivot_config: configuration of the pivot's texts.
        data_dir: folder of the authors' finished prompts, or of the data files of task pocket.
        data_dir_languages: languages in `data_dir`, if they are not all of the task's.
        file: JSONL file of the task `prompts`.
        licence: licence of the data.
        size: amount of data, as shown by `xtransplant ls tasks`.
        template: name of a file in `xtransplant/assets/prompts`, or the path of the user's own.
        keys: option keys in their order; a prompt shows "(A)" for key A.
        machine_translated: whether prompts in languages other than the pivot are translations.
        splits: names of the splits; the first is the default.
        sample_size: units per language in split `sample`, for tasks whose splits are drawn here.
        sample_seed: seed for drawing the splits.
        sample_by: unit of splits: `id` (an instance) or `cluster` (all of a question or passage).
        lost_markers: `refuse`, `keep` or `drop` prompts that do not show all of their options.
        languages: all languages of the task.
        pivot: language of one of the two prompts of every pair.
        direction: `en_to_x` or `x_to_en`.
        scorer: a setting as for `xtransplant.scoring.registry.find_scorers`, or a list of them. The
            first gives the columns `answer` and `correct`; verdicts of the others are kept in
            `scores/`.
    """

    name: str = REQUIRED
    loader: str = REQUIRED
    id: str | None = None
    revision: str | None = None
    config: str | None = None
    data_split: str | None = None
    pivot_id: str | None = None
    pivot_revision: str | None = None
    pivot_config: str | None = None
    data_dir: str | None = None
    data_dir_languages: list[str] | None = None
    file: str | None = None
    licence: str = ""
    size: str = ""
    template: str | None = None
    keys: list[str] = field(default_factory=list)
    machine_translated: bool = False
    splits: list[str] = REQUIRED
    sample_size: int = 50
    sample_seed: int = 0
    sample_by: str = one_of(SAMPLE_UNITS, "id")
    lost_markers: str = one_of(LOST_MARKERS, "refuse")
    languages: list[str] = REQUIRED
    pivot: str = "en"
    direction: str = REQUIRED
    scorer: Any = REQUIRED


@dataclass
class PromptConfig:
    """How questions are put into prompts.

    Attributes:
        style: `plain`; `chat` (in the checkpoint's chat template); `few_shot` (after `shots`
            answered questions in the prompt's own language).
        instruction_language: `target` for instructions in the language of the question, `en` for
            English instructions.
        shots: number of answered questions before the question, with style `few_shot`.
    """

    style: str = one_of(PROMPT_STYLES, "plain")
    instruction_language: str = one_of(INSTRUCTION_LANGUAGES, "target")
    shots: int = 3


@dataclass
class TranslationConfig:
    """The model that `xtransplant translate` uses, and the folder of its translations.

    Attributes:
        model: Hugging Face id or local folder of a seq2seq or causal model.
        revision: commit, tag or branch of a Hugging Face id.
        instruction: prompt for a model without language codes, with the fields
            `{source_language}`, `{target_language}` and `{text}`; None for the text alone, or, with
            a causal model, for a default prompt.
        max_new_tokens: maximum length of a translation, in tokens.
        allow_pickle: whether to read pickled weights, which can run code.
        folder: folder of translations; None for `translations` in the project's cache folder.
    """

    model: str = "facebook/nllb-200-distilled-600M"
    revision: str | None = "main"
    instruction: str | None = None
    max_new_tokens: int = 512
    allow_pickle: bool = False
    folder: str | None = None


@dataclass
class GridConfig:
    """The cells of a run: `conf/grid/<name>.yaml`; see `xtransplant.config.grid.resolve_cells`.

    Attributes:
        name: name of the entry.
        source_layers: source layers; None for every `stride`-th layer.
        target_layers: target layers; None for every `stride`-th layer.
        stride: step of an axis whose layers are not listed.
        pairs: cells as pairs of layers, instead of two axes.
        file: file written by `xtransplant select`, instead of `pairs`.
        untouched: whether there are no cells, only the untouched model.
    """

    name: str = REQUIRED
    source_layers: list[int] | None = None
    target_layers: list[int] | None = None
    stride: int = 1
    pairs: list[list[int]] | None = None
    file: str | None = None
    untouched: bool = False


@dataclass
class InterventionConfig:
    """`conf/intervention/<name>.yaml`; `config.intervention.Intervention` explains each key."""

    op: str = one_of(OPERATIONS, "replace")
    alpha: float = 1.0
    vector: str = one_of(VECTORS, "activation")
    steps: str = one_of(STEPS, "first")
    norm: str = one_of(NORMS, "none")


@dataclass
class DecodeConfig:
    """Greedy decoding: `conf/decode/<name>.yaml`. `temperature` is of the control `samples`."""

    max_new_tokens: int = 20
    temperature: float = 1.0


@dataclass
class ShardConfig:
    """The share of a run's parts that this process computes: `index` in 0..`count`-1."""

    index: int = 0
    count: int = 1


@dataclass
class RunConfig:
    """One run.

    Attributes:
        module: value of `types.ModuleType`.
        languages: "all" for all languages of the task except its pivot, one name, or a list.
        direction: value of `types.Direction`; None for the task's direction.
        pivot: language of the task in place of its pivot; None for the task's pivot.
        split: name of a split; None for the task's first.
        limit: maximum number of instances per language; None for all.
        seed: of what a control draws, and of the cells that `check` and `bench` sample.
        control: a control of `xtransplant.tasks.controls`; "none" for the experiment itself.
        output_root: folder of the result folders.
        dry_run: whether to show the plan and stop.
        rows_per_batch: cells that decode together, which never changes results; None: chosen.
        device: "auto", "cpu", "cuda", "cuda:1", …
        device_map: one of `DEVICE_MAPS`, by which layers are spread; None for a single device.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    translation: TranslationConfig = field(default_factory=TranslationConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    intervention: InterventionConfig = field(default_factory=InterventionConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    module: str = "mlp"
    languages: Any = "all"
    direction: str | None = None
    pivot: str | None = None
    split: str | None = None
    limit: int | None = None
    seed: int = 0
    control: str = one_of(CONTROLS, "none")
    shard: ShardConfig = field(default_factory=ShardConfig)
    output_root: str = "outputs"
    dry_run: bool = False
    rows_per_batch: int | None = None
    device: str = "auto"
    device_map: str | None = one_of(DEVICE_MAPS, None)
