"""The longer help texts of the command line: the keys of a run, and examples to copy.

A paragraph keeps its line breaks if its first line is a backspace character.
"""

from textwrap import wrap

from xtransplant.config.schema import CONTROLS

COLUMN, WIDTH = " " * 18, 46
"""Indentation and width of the description of a key."""

*_first, _last = wrap(", ".join(CONTROLS), WIDTH - 2)
_controls = f"\n{COLUMN}".join([*_first, f"{_last:<{WIDTH}}"])

RUN = f"""Run every cell of a grid on every instance of a task.

\b
Groups, one entry each (see xtransplant ls):
  model task grid intervention decode experiment
Keys:
  module          attn, mlp, block, attn_mlp or attn_residual; of
                  encoder-decoder models cross_attn and
                  encoder_block too                             [mlp]
  languages       all (except the pivot), or a list: [fr,sw]    [all]
  direction       en_to_x or x_to_en                            [the task's]
  pivot           a language in the place of English            [the task's]
  split           a split of the task                           [its first]
  limit           maximum number of instances per language      [null: all]
  seed            of the control's random draws                  [0]
  control         {_controls}[none]
  shard.index     this process's share of the parts, from 0     [0]
  shard.count     number of shares                              [1]
  output_root     folder of the results                         [outputs]
  rows_per_batch  cells that are decoded together               [null: chosen]
  device          auto, cpu, cuda, cuda:1                       [auto]
  device_map      auto: layers over all GPUs, then the CPU      [null]
  dry_run         show the plan and stop                        [false]
  decode.temperature  of the control samples                    [1]
  prompt.style    plain, chat or few_shot                       [plain]
  prompt.shots    answered questions of few_shot                [3]
  prompt.instruction_language  target or en                     [target]
  translation.model  what translates (see xtransplant translate)  [NLLB]
  intervention.op      replace (by v), add (alpha v), or mix    [replace]
  intervention.alpha   a number; of replace 1                   [1]
  intervention.vector  activation, or the mean difference       [activation]
  intervention.steps   first, or every new token too            [first]
  intervention.norm    match: v as long as what it meets        [none]
Fields of a group are keys too: model.dtype=bfloat16, task.data_dir=DIR.
"""

TOP_EXAMPLES = """\b
Examples:
  xtransplant run                       a small model and task that come with the package
  xtransplant run task=xnli model=smollm2-135m languages=[fr,sw] limit=2 grid=stride5
  xtransplant ls models
"""

RUN_EXAMPLES = """\b
Examples:
  xtransplant run
  xtransplant run task=xnli model=llama2-7b languages=[fr,sw] module=mlp --dry-run
  xtransplant run model=hf model.id=org/name grid=pairs grid.pairs=[[16,4],[-1,0]]
  xtransplant run -m module=attn,mlp task=xnli hydra/launcher=local
  xtransplant run -m intervention=mix intervention.alpha=0.25,0.5,1 module=block
"""

SIMILARITY_EXAMPLES = """\b
Examples:
  xtransplant similarity
  xtransplant similarity task=xnli model=smollm2-135m languages=[fr,sw] pivot=es --out similar
"""

SUBMIT_EXAMPLES = """\b
Examples:
  xtransplant submit task=xnli,xquad model=llama2-7b,mistral-7b module=attn,mlp
  xtransplant submit model=llama2-7b shard.count=8 'shard.index=range(8)' \\
      hydra.launcher.partition=gpu hydra.launcher.timeout_min=240
"""

STATUS_EXAMPLES = """\b
Examples:
  xtransplant status
  xtransplant status outputs/xnli --watch
  xtransplant status --json | jq '.[] | select(.status == "failed")'
"""

PREPARE_EXAMPLES = """\b
Examples:
  xtransplant prepare task=xquad model=qwen2-7b languages=all
  xtransplant prepare task=xnli task.id=DIR model=smollm2-135m languages=[fr,sw]
"""

TRANSLATE_EXAMPLES = """\b
Examples:
  xtransplant translate task=culturalbench_easy languages=[ja,tr] split=sample
  xtransplant translate task=prompts task.file=my.jsonl translation.model=DIR
"""

LS_EXAMPLES = """\b
Examples:
  xtransplant ls
  xtransplant ls models
  xtransplant ls tasks --config-dir my-conf
"""

CHECK_EXAMPLES = """\b
Examples:
  xtransplant check model=pocket
  xtransplant check model=smollm2-135m task=xnli task.data_dir=DIR --modules attn,mlp
"""

BENCH_EXAMPLES = """\b
Examples:
  xtransplant bench model=smollm2-135m > bench.json
  xtransplant bench model=smollm2-135m --together --cells-compared 0
  xtransplant bench model=smollm2-135m grid=pairs grid.pairs=[[15,15]] --instances 200
  xtransplant bench model=hf model.id=DIR model.dtype=bfloat16 --random-weights
"""

RESCORE_EXAMPLES = """\b
Examples:
  xtransplant rescore outputs/xnli scorer=option
  xtransplant rescore outputs/xnli/llama2-7b/mlp scorer=paper,option
  xtransplant rescore outputs 'scorer=regex(pattern="answer is (\\\\w+)")'
  xtransplant rescore outputs           same scorers, in this package's version
"""

REPORT_EXAMPLES = """\b
Examples:
  xtransplant report outputs/pocket --out report
  xtransplant report outputs/xnli/llama2-7b outputs/xquad/llama2-7b --out report
"""

SELECT_EXAMPLES = """\b
Examples:
  xtransplant select outputs/pocket/pocket/mlp --strategy target_first --output selected.yaml
  xtransplant run grid=pairs grid.file=selected.yaml split=test
"""

TRY_EXAMPLES = """\b
Examples:
  xtransplant try --model smollm2-135m --source "The capital of France is" \\
      --target "La capitale de la France est" --cell 16,4 --cell -1,0
  xtransplant try --model org/name --source "…" --target "…" --module attn
  xtransplant try --model pocket --source "…" --target "…" --op mix --alpha 0.5 --steps every
"""
