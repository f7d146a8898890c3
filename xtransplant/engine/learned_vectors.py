"""Activations of a task's prompts: as they are, and means of them and of their differences.

Shape suffixes: L layers, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from xtransplant.engine.capture import capture
from xtransplant.engine.options import Tokens
from xtransplant.models.families import Model
from xtransplant.store.cluster_sums import ClusterSums, Floats
from xtransplant.types import ModuleType


def activations(
    model: Model, modules: Sequence[ModuleType], prompts: Sequence[Tokens]
) -> dict[ModuleType, Floats]:
    """Return the activations of some modules at the last token of prompts, float64.

    Args:
        model: any supported model.
        modules: modules whose activations are wanted.
        prompts: token ids of each prompt; each is read once, but in a model whose encoder is deeper
            than its decoder.

    Returns:
        For each module [B, L, D], of `attn_mlp` [B, L, 2, D].

    Raises:
        NumericsError: an activation is NaN or infinite; the message names prompt and layer.
    """
    names = [f"prompt {number}" for number in range(len(prompts))]
    depths = {module: len(model.modules(module)) for module in modules}
    found: dict[ModuleType, Floats] = {}
    for depth in dict.fromkeys(depths.values()):
        some = [module for module in modules if depths[module] == depth]
        acts = capture(model, prompts, some, depth, names)
        found |= {module: np.asarray(acts[module].double().cpu().numpy()) for module in some}
    return found


def sum_by_cluster(
    model: Model,
    module: ModuleType,
    prompts: Sequence[tuple[Tokens, Tokens | None]],
    clusters: Sequence[str],
    names: Sequence[str],
) -> ClusterSums:
    """Read prompts one at a time, and add up their vectors by cluster, in float64.

    Args:
        model: any supported model.
        module: module whose activations at the last token are taken.
        prompts: for each question the prompt whose activations count, and the one whose activations
            are taken away from them; None for no such prompt.
        clusters: cluster of each question.
        names: name of each question in messages.

    Returns:
        The sums; `sums` is [C, L, D], of `attn_mlp` [C, L, 2, D].

    Raises:
        NumericsError: an activation is NaN or infinite; the message names question and layer.
    """
    sums: dict[str, Floats] = {}
    counts: dict[str, int] = {}
    for (prompt, taken_away), cluster, name in zip(prompts, clusters, names, strict=True):
        vectors = _activations(model, module, prompt, f"{name}: source prompt")
        if taken_away is not None:
            vectors = vectors - _activations(model, module, taken_away, f"{name}: target prompt")
        sums[cluster] = sums[cluster] + vectors if cluster in sums else vectors
        counts[cluster] = counts.get(cluster, 0) + 1
    return ClusterSums(tuple(sums), np.array([*counts.values()]), np.stack([*sums.values()]))


def mean_of_others(sums: ClusterSums, cluster: str) -> torch.Tensor:
    """Return the mean vector over all clusters but one, [L, D] or [L, 2, D]."""
    return torch.from_numpy(sums.mean_without(cluster))


def _activations(model: Model, module: ModuleType, prompt: Tokens, name: str) -> Floats:
    n_layers = len(model.modules(module))
    acts_1LD = capture(model, [prompt], [module], n_layers, [name])[module]
    return np.asarray(acts_1LD[0].double().cpu().numpy())
