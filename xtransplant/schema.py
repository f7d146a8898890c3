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

DTYPES = ("float32", "bfloat16", "float16")
CONTROLS = ("none",)


@dataclass
class ModelConfig:
    """A checkpoint: `conf/model/<name>.yaml`.

    Attributes:
        name: folder of its results; of entry `hf`, the last path component of `id`.
        id: Hugging Face id, local folder, GGUF file, or path inside `distribution`.
        revision: commit, tag or branch of a Hugging Face id.
        dtype: float32, bfloat16 or float16.
        distribution: pip requirement of the installed package that carries the file `id`.
        trust_remote_code: run Python code that comes with the checkpoint.
        allow_pickle: read pickled weights, which can run code.
    """

    name: str = REQUIRED
    id: str = REQUIRED
    revision: str | None = None
    dtype: str = "float32"
    distribution: str | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False


@dataclass
class TaskConfig:
    """A task: `conf/task/<name>.yaml`.

    Attributes:
        name: folder of its results.
        loader: key of `xtransplant.tasks.LOADERS`.
        data_dir: folder of its data files, where the loader reads a folder.
        splits: the first is the default.
        languages: all there are.
        pivot: the language on the other side of every pair.
        direction: `en_to_x` or `x_to_en`.
        scorer: key of `xtransplant.scoring.SCORERS`, or a list of them: the first gives `answer`
            and `correct`, the verdicts of the others stand beside.
    """

    name: str = REQUIRED
    loader: str = REQUIRED
    data_dir: str | None = None
    splits: list[str] = REQUIRED
    languages: list[str] = REQUIRED
    pivot: str = "en"
    direction: str = REQUIRED
    scorer: Any = REQUIRED


@dataclass
class GridConfig:
    """Which cells: `conf/grid/<name>.yaml`; see `xtransplant.engine.grid.resolve_cells`."""

    name: str = REQUIRED
    source_layers: list[int] | None = None
    target_layers: list[int] | None = None
    stride: int = 1
    pairs: list[list[int]] | None = None


@dataclass
class DecodeConfig:
    """Greedy decoding: `conf/decode/<name>.yaml`."""

    max_new_tokens: int = 20


@dataclass
class ShardConfig:
    """Which share of a run's parts this process does: `index` of 0..`count`-1."""

    index: int = 0
    count: int = 1


@dataclass
class RunConfig:
    """One run.

    Attributes:
        module: `attn`, `mlp`, `block` or `attn_residual`.
        languages: "all" for all of the task but its pivot, one name, or a list of names.
        direction: None for the task's.
        split: None for the task's first.
        limit: instances per language at most; None for all.
        seed: of everything random.
        control: "none" for the source prompt of the same question.
        output_root: where result folders are made.
        dry_run: show the plan and stop.
        rows_per_batch: cells that decode together; None chooses. It never changes results.
        device: "auto", "cpu", "cuda", "cuda:1", …
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
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
