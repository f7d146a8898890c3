"""Nothing of the size rows x prompt is kept, and nothing of that size is made at once either."""

from typing import Any

import pytest
import torch
from families import N_LAYERS, tiny_model
from torch.utils._python_dispatch import TorchDispatchMode

from xtransplant.engine import attention
from xtransplant.engine.decode import Target, decode
from xtransplant.engine.rows import Row
from xtransplant.types import ModuleType

N_ROWS, N_PROMPT, NEW_TOKENS = 400, 100, 3
BOUND = 4096


class Largest(TorchDispatchMode):
    """Records the elements of the largest storage that any operation returns."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor):
                size = tensor.untyped_storage().nbytes() // tensor.element_size()
                self.elements = max(self.elements, size)
        return out


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_no_tensor_grows_with_rows_times_prompt(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "MAX_SCORES", BOUND)
    model = tiny_model(family)
    prompt = [3 + k % 90 for k in range(N_PROMPT)]
    vector = torch.ones(32)
    rows = [Row(k % N_LAYERS, ModuleType.MLP, vector * k) for k in range(N_ROWS)]
    with Largest() as largest:
        decode(model, [Target(tuple(prompt))], rows, NEW_TOKENS, rows_per_batch=N_ROWS)
    head_width, n_heads, n_kv, widest, vocabulary = 8, 4, 2, 64, 101
    allowed = max(
        N_ROWS * vocabulary,  # logits
        N_ROWS * n_kv * NEW_TOKENS * head_width,  # suffixes of a layer
        N_ROWS * widest,  # inside the feed-forward module
        n_heads * N_PROMPT * N_PROMPT,  # scores of the one prefill
        2 * BOUND,  # scores of a block of rows
    )
    all_scores = N_ROWS * n_heads * N_PROMPT
    copied_prefix = N_ROWS * n_kv * N_PROMPT * head_width
    assert allowed < min(all_scores, copied_prefix), "or the test could not tell"
    assert largest.elements <= allowed


@pytest.mark.parametrize(("device", "n_blocks"), [("cpu", 3), ("meta", 1)])
def test_a_gpu_makes_all_scores_at_once(
    device: str, n_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = []

    def counted(*arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        blocks.append(arguments)
        return attend_block(*arguments)

    attend_block = attention._attend_block
    monkeypatch.setattr(attention, "_attend_block", counted)
    n_rows, n_heads, n_kv, width, n_prefix, n_suffix = 600, 4, 2, 8, 1000, 2
    assert 2 << 20 < n_rows * n_heads * (n_prefix + n_suffix) < 3 << 20
    query = torch.empty(n_rows, n_heads, width, device=device)
    prefix = torch.zeros(1, n_kv, n_prefix, width, device=device)
    suffix = torch.zeros(n_rows, n_kv, n_suffix, width, device=device)
    out = attention.attend(query, (prefix, prefix), (suffix, suffix), attention.ScoreRule(1.0))
    assert out.shape == query.shape
    assert len(blocks) == n_blocks
