"""What kind of task each shipped task is, after the paper (arXiv 2412.12686)."""

from __future__ import annotations

UNDERSTANDING, GENERATION, CULTURE = "understanding", "generation", "culture"
KINDS = {
    **dict.fromkeys(("xnli", "xcopa", "belebele", "global_mmlu"), UNDERSTANDING),
    **dict.fromkeys(("xquad", "mkqa"), GENERATION),
    **dict.fromkeys(("globalopinionqa", "culturalbench_easy", "culturalbench_hard"), CULTURE),
}
"""By name of the task. Other tasks are of no kind, and are in no contrast of kinds."""
