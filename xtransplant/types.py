"""The data types that all rooms share: frozen dataclasses and enumerations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Finish = Literal["eos", "length"]


class ModuleType(StrEnum):
    """The module whose output is captured in the source prompt and written in the target prompt.

    `attn`, `mlp`: output of the self-attention or feed-forward module, before the residual add.
    `block`: hidden state leaving the decoder layer.
    `attn_mlp`: `attn` and `mlp` of one layer, written together.
    `attn_residual`: captures the attention output plus the residual stream entering the layer,
    writes the attention output; the authors' released attention code computes this.

    In encoder-decoder models, these are modules of the decoder, at the last token of its prompt.
    Two more values exist only there:
    `cross_attn`: output of a decoder layer's attention to the encoder, before the residual add.
    `encoder_block`: hidden state leaving an encoder layer, at the last token of the prompt.
    """

    ATTN = "attn"
    MLP = "mlp"
    BLOCK = "block"
    ATTN_MLP = "attn_mlp"
    ATTN_RESIDUAL = "attn_residual"
    CROSS_ATTN = "cross_attn"
    ENCODER_BLOCK = "encoder_block"


class Direction(StrEnum):
    """Which of the two prompts is English: the source (`en_to_x`) or the target (`x_to_en`)."""

    EN_TO_X = "en_to_x"
    X_TO_EN = "x_to_en"


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """One pair of layers, both counted from 0."""

    source_layer: int
    target_layer: int

    def __str__(self) -> str:
        """Return "16→4" for source layer 16 and target layer 4."""
        return f"{self.source_layer}→{self.target_layer}"


ASCII_PARENTHESES = str.maketrans("（）", "()")
"""Table for `str.translate`: Chinese prompts print markers with full-width parentheses."""


@dataclass(frozen=True, slots=True)
class Option:
    """One answer option of the target prompt.

    `marker` is the printed form, such as "(1)". `label` is the option's localised text if it is the
    same for every instance (XNLI), else None. `share` is the share of survey respondents who chose
    the option, 0 to 1; None if the task is not a survey.
    """

    marker: str
    label: str | None = None
    share: float | None = None

    @property
    def key(self) -> str:
        """The marker without brackets and dots: "1" of "(1)", "A" of "A." or "[A]"."""
        return self.marker.strip("()（）[]. ")


@dataclass(frozen=True, slots=True)
class Question:
    """One question in one language, before a template turns it into a prompt.

    `fields` are the texts that a template shows, by name. `options` are the texts of the question's
    own options; empty for free answers, and for options that the template holds (labels). `gold` is
    the key of the right option, or the answer. `variant` selects a wording of the template (XCOPA:
    cause or effect). `shares` are the `Option.share` values of a survey. The other fields are as in
    `Instance`.
    """

    id: str
    fields: Mapping[str, str]
    gold: str
    options: tuple[str, ...] = ()
    variant: str = ""
    shares: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()
    cluster: str = ""
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """One question in two languages.

    `language` is the study's language X: the target's for `en_to_x`, the source's for `x_to_en`.
    `gold` is the bare key of the right option ("1", "A") if there are options, else the answer.
    `options` are in the order of the prompt; empty for free answers. `aliases` are other right
    answers. `cluster` names what several instances share (the passage of their questions), for
    statistics; "" for independent instances. `category` is a label of the data to group by.
    `machine_translated` tells whether one of the prompts is machine-translated. `source_gold` is
    the answer in the source prompt's language if it differs from `gold`. In a run of the control
    `random_instance`, `drawn_id` and `drawn_gold` are the id and gold answer of the instance whose
    source prompt was drawn; in a run of `samples`, `draw_seed` is the seed of the instance's draws.
    """

    id: str
    language: str
    source_language: str
    target_language: str
    source: str
    target: str
    gold: str
    options: tuple[Option, ...] = ()
    aliases: tuple[str, ...] = ()
    cluster: str = ""
    category: str | None = None
    machine_translated: bool = False
    source_gold: str | None = None
    drawn_id: str | None = None
    drawn_gold: str | None = None
    draw_seed: int | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model reads it, with special tokens; `text` is None if ids were given."""

    token_ids: tuple[int, ...]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class PromptPair:
    """The source prompt, whose activations are captured, and the target prompt to answer."""

    source: Prompt
    target: Prompt


@dataclass(frozen=True)
class Part:
    """A block of instances of one language, written as one file."""

    language: str
    block: int
    instances: tuple[Instance, ...]
    prompts: tuple[PromptPair, ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """A continuation of a prompt. A final end-of-sequence token is in `token_ids`, not in `text`.

    `option_logprobs` are the log-probabilities of the answer options as continuations of the
    prompt, in the order of the options; None if there are no options or they were not requested.
    """

    token_ids: tuple[int, ...]
    text: str
    finish: Finish
    option_logprobs: tuple[float, ...] | None = None

    @property
    def n_tokens(self) -> int:
        """Number of generated tokens, with the end-of-sequence token."""
        return len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Score:
    """A scorer's verdict.

    `answer` is the answer that the scorer found in the text, or None. `value` is the degree of
    agreement, 0 to 1; None from a scorer that does not measure one.
    """

    answer: str | None
    correct: bool
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The part of a model's output that scorers may use; stored rows hold all of it.

    `option_logprobs` are natural logarithms in the order of the instance's options, or None.
    `option_draw` is a number, 0 <= u < 1, by which an option is drawn in place of the likeliest
    one; None where none is drawn.
    """

    text: str
    finish: Finish = "eos"
    option_logprobs: tuple[float, ...] | None = None
    option_draw: float | None = None


@dataclass(frozen=True, slots=True)
class LanguageSummary:
    """One language's row of the summary; accuracies from 0 to 1.

    Attributes:
        language: the study's language X.
        n: number of instances.
        baseline_accuracy: accuracy of the target prompt without a transplant.
        best_cell: cell with the highest accuracy over these instances; None without cells.
        best_cell_accuracy: accuracy of the best cell.
        upper_bound_accuracy: share of the instances that at least one cell answers correctly.
        n_best_cells: number of cells that have the accuracy of the best cell.
        n_texts: number of answers, baselines included.
        n_cut_off: number of answers that the token limit cut off; None if not counted.
    """

    language: str
    n: int
    baseline_accuracy: float
    best_cell: Cell | None
    best_cell_accuracy: float
    upper_bound_accuracy: float
    n_best_cells: int = 1
    n_texts: int = 0
    n_cut_off: int | None = None
