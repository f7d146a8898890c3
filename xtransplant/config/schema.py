"""The configuration as data: every key, its type and its default. No Hydra, no local import.

Enumerated values are plain `str` fields that `validation.check_values` holds against their enum:
OmegaConf reads and shows an Enum by member name, so an enum field would take `MLP` and refuse
`mlp`. The classes are not frozen because Hydra 1.3 cannot compose into a frozen schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REQUIRED: Any = "???"
"""OmegaConf's mark for a value that a YAML file or the command line must give."""

DTYPES = ("float32", "bfloat16", "float16", "tf32")
CONTROLS = ("none", "random_instance", "noise", "same_prompt", "shuffled_language")
PROMPT_STYLES = ("plain", "chat", "few_shot")
INSTRUCTION_LANGUAGES = ("target", "en")
SAMPLE_UNITS = ("id", "cluster")
LOST_MARKERS = ("refuse", "keep", "drop")
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


@dataclass
class FamilyConfig:
    """Paths of an architecture's modules, if they are not found; see `docs/models.md`.

    Attributes:
        layers: path from the language model to its list of decoder layers.
        attn: path from a decoder layer to its self-attention.
        mlp: path from a decoder layer to its feed-forward module.
        cross_attn: path from a decoder layer to its attention to the encoder, if it has one.
        encoder_layers: path from the language model to its list of encoder layers, if it has them.
    """

    layers: str | None = None
    attn: str | None = None
    mlp: str | None = None
    cross_attn: str | None = None
    encoder_layers: str | None = None


@dataclass
class ModelAbout:
    """Facts that `xtransplant ls models` shows about a checkpoint; no run uses them.

    Attributes:
        family: transformers' model type.
        layers: number of layers; in an encoder-decoder model, of decoder layers.
        parameters: number of parameters, with a vision tower, tied ones counted once.
        licence: name of the licence.
        gated: true if the hub asks for an access token.
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
        name: folder of its results; of entry `hf`, the last path component of `id`.
        id: Hugging Face id, local folder, GGUF file, or path inside `distribution`.
        revision: commit, tag or branch of a Hugging Face id.
        dtype: float32, bfloat16, float16, or tf32: float32 with a GPU's TF32 products.
        distribution: pip requirement of the installed package that carries the file `id`.
        trust_remote_code: run Python code that comes with the checkpoint.
        allow_pickle: read pickled weights, which can run code.
        family: layout, for an architecture that is not known.
        adapter: Hugging Face id or local folder of a PEFT adapter.
        adapter_revision: commit, tag or branch of the adapter's Hugging Face id.
        language_token: token with which the decoder of a translator starts its answer.
        about: family, size and licence.
    """

    name: str = REQUIRED
    id: str = REQUIRED
    revision: str | None = None
    dtype: str = "float32"
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
        name: folder of its results.
        loader: one of `xtransplant.tasks.loaders.LOADERS`.
        id: Hugging Face id of its data, or a local folder in the hub's layout.
        revision: commit, tag or branch of a Hugging Face id.
        config: the data's configuration for a language; may hold `{language}` and `{flores}`.
        data_split: the split of the data that instances are drawn from.
        pivot_id: id or folder of the pivot's texts, if they are not in `id`.
        pivot_revision: revision of `pivot_id`.
        pivot_config: configuration of `pivot_id`.
        data_dir: folder of the authors' finished prompts, or of the data files of task pocket.
        data_dir_languages: the languages that `data_dir` has, if not all of the task's.
        file: JSONL file of task prompts.
        licence: licence of the data.
        size: amount of data, as text for `xtransplant ls tasks`.
        template: name of a file of `xtransplant/assets/prompts`, or the path of one's own.
        keys: keys of the options, in their order; a prompt shows "(A)" for key A.
        machine_translated: the data are in the pivot alone; the others are machine-translated.
        splits: the first is the default.
        sample_size: units per language of split `sample`, where splits are drawn here.
        sample_seed: seed of that sample.
        sample_by: the unit: `id` for an instance, `cluster` for all of a question or passage.
        lost_markers: `refuse`, `keep` or `drop` prompts that do not show all of their options.
        languages: all languages of the data.
        pivot: language on the other side of every pair.
        direction: `en_to_x` or `x_to_en`.
        scorer: key of `xtransplant.scoring.scorers.SCORERS`, or a list of them: the first gives
            `answer` and `correct`, the verdicts of the others stand beside.
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
    sample_by: str = "id"
    lost_markers: str = "refuse"
    languages: list[str] = REQUIRED
    pivot: str = "en"
    direction: str = REQUIRED
    scorer: Any = REQUIRED


@dataclass
class PromptConfig:
    """The form of a prompt.

    Attributes:
        style: `plain`; `chat` (in the checkpoint's chat template); `few_shot` (after `shots`
            answered questions in the prompt's own language).
        instruction_language: `target` for the language of the question; `en` for English
            instructions around a question in its own.
        shots: number of answered questions before the one to answer, in style `few_shot`.
    """

    style: str = "plain"
    instruction_language: str = "target"
    shots: int = 3


@dataclass
class TranslationConfig:
    """The model that `xtransplant translate` translates with, and where its work is kept.

    Attributes:
        model: Hugging Face id or local folder of a seq2seq or causal model.
        revision: commit, tag or branch of a Hugging Face id.
        instruction: what a model without language codes is told; holds `{source_language}`,
            `{target_language}` and `{text}`; null for the text alone, and a written one for causal
            models.
        max_new_tokens: maximum length of a translation.
        allow_pickle: read pickled weights, which can run code.
        folder: folder of the translations; null for `translations` in the project's cache folder.
    """

    model: str = "facebook/nllb-200-distilled-600M"
    revision: str | None = "main"
    instruction: str | None = None
    max_new_tokens: int = 512
    allow_pickle: bool = False
    folder: str | None = None


@dataclass
class GridConfig:
    """Which cells: `conf/grid/<name>.yaml`; see `xtransplant.config.grid.resolve_cells`.

    Attributes:
        name: of the entry.
        source_layers: None for every `stride`-th layer.
        target_layers: likewise.
        stride: step of an axis that is not listed.
        pairs: these cells only.
        file: of `xtransplant select`, in the place of `pairs`.
    """

    name: str = REQUIRED
    source_layers: list[int] | None = None
    target_layers: list[int] | None = None
    stride: int = 1
    pairs: list[list[int]] | None = None
    file: str | None = None


@dataclass
class DecodeConfig:
    """Greedy decoding: `conf/decode/<name>.yaml`."""

    max_new_tokens: int = 20


@dataclass
class ShardConfig:
    """The share of a run's parts that this process does: `index` of 0..`count`-1."""

    index: int = 0
    count: int = 1


@dataclass
class RunConfig:
    """One run.

    Attributes:
        module: a name of `types.ModuleType`.
        languages: "all" for all of the task but its pivot, one name, or a list of names.
        direction: None for the task's.
        split: None for the task's first.
        limit: maximum number of instances per language; None for all.
        seed: seed of what a control draws, and of the cells that `check` and `bench` sample.
        control: "none" for the experiment itself, else what stands in for its source; see
            `xtransplant.tasks.controls`.
        output_root: folder of all result folders.
        dry_run: show the plan and stop.
        rows_per_batch: number of cells that decode together; None chooses it. It never changes
            results.
        device: "auto", "cpu", "cuda", "cuda:1", …
        device_map: spreads the layers over all GPUs, then the CPU: one of `DEVICE_MAPS`.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    translation: TranslationConfig = field(default_factory=TranslationConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
    module: str = "mlp"
    languages: Any = "all"
    direction: str | None = None
    split: str | None = None
    limit: int | None = None
    seed: int = 0
    control: str = "none"
    shard: ShardConfig = field(default_factory=ShardConfig)
    output_root: str = "outputs"
    dry_run: bool = False
    rows_per_batch: int | None = None
    device: str = "auto"
    device_map: str | None = None
